/* Has a manifest, and nothing that could be called. */
#define ID "no-symbol"
#define NO_SYMBOL
#include "broken.h"

/* Exports something else under the name of the table. */
#define ID "bad-magic"
#define MAGIC 0xdeadbeefu
#include "broken.h"

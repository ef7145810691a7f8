/* Says one thing in its file and another in memory. */
#define ID "other-manifest"
#define TABLE_MANIFEST ICHOR_STR_OF(TEXT_OF("another"))
#define ICHOR_STR_OF(text) {text, sizeof(text) - 1}
#include "broken.h"

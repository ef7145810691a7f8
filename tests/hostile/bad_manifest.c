/* Has a manifest that is no JSON. */
#define ID "bad-manifest"
#define MANIFEST "{ichor: 1, name: bad-manifest}"
#include "broken.h"

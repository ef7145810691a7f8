/* Exports more than its table. */
#define ID "many-symbols"
#include "broken.h"

__attribute__((visibility("default"))) int a_helper_of_its_own(void);
int a_helper_of_its_own(void) { return 1; }

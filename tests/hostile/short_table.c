/* Has a table that ends too early. */
#define ID "short-table"
#define SIZE 32
#include "broken.h"

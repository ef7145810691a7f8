/* Follows the second version of the contract, which a host of the first cannot know. */
#define ID "wrong-major"
#define MAJOR 2
#include "broken.h"

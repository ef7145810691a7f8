/* Needs what only a later minor version of the contract offers. */
#define ID "later-minor"
#define MINOR 99
#include "broken.h"

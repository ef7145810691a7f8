/* Lacks a function that every plugin must have. */
#define ID "no-run"
#define RUN NULL
#include "broken.h"

/* Refuses to be loaded, and says why. */
#include <ichor.h>

#include <stdio.h>

static ichor_status load(const ichor_host *host, ichor_error *err) {
  (void)host;
  snprintf(err->message, err->cap, "%s", "no licence server was found; start one");
  return ICHOR_UNSUPPORTED;
}

#define ID "no-load"
#define LOAD load
#include "broken.h"

/* A number, a stage that adds one to it, which is the least that makes something new, and one that hands it on. */
#include "ichor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST                                                                                   \
  "{\"ichor\":1,\"name\":\"count\",\"version\":\"1.0.0\",\"stages\":["                             \
  "{\"id\":\"count-from\",\"version\":\"1.0.0\",\"inputs\":[],"                                    \
  "\"outputs\":[{\"name\":\"value\",\"kind\":[\"doc\"]}],\"params\":{}},"                          \
  "{\"id\":\"count-on\",\"version\":\"1.0.0\","                                                    \
  "\"inputs\":[{\"name\":\"value\",\"kind\":[\"doc\"]}],"                                          \
  "\"outputs\":[{\"name\":\"value\",\"kind\":[\"doc\"]}],\"params\":{}},"                          \
  "{\"id\":\"count-same\",\"version\":\"1.0.0\","                                                  \
  "\"inputs\":[{\"name\":\"value\",\"kind\":[\"doc\"]}],"                                          \
  "\"outputs\":[{\"name\":\"value\",\"kind\":[\"doc\"]}],\"params\":{}}]}"

__attribute__((used, section(ICHOR_MANIFEST_SECTION))) static const char manifest[] = MANIFEST;

static int from, on, same; /* their addresses are the instances */

static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  (void)params, (void)err;
  *out = (ichor_stage *)(id.ptr[6] == 'f' ? &from : id.ptr[6] == 'o' ? &on : &same);
  return ICHOR_OK;
}

static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) {
  char text[24] = "7";
  if ((int *)stage == &same) return run->forward(run, 0, 0);
  if ((int *)stage == &on) {
    const ichor_value *in = run->input(run, 0, 0);
    char before[24] = "";
    if (in->bytes_len >= sizeof before) {
      snprintf(err->message, err->cap, "input `value` is no number");
      return ICHOR_BAD_INPUT;
    }
    memcpy(before, in->bytes, in->bytes_len);
    snprintf(text, sizeof text, "%ld", strtol(before, NULL, 10) + 1);
  }
  ichor_status status = run->emit_bytes(run, 0, ICHOR_DOC, text, strlen(text));
  if (status != ICHOR_OK) return status;
  return run->set_meta(run, 0, ICHOR_STR("{\"media_type\":\"text/plain\",\"extension\":\"txt\"}"));
}

static void destroy(ichor_stage *stage) { (void)stage; }

ICHOR_EXPORT const ichor_plugin ichor_plugin_v1 = {
    ICHOR_MAGIC, ICHOR_ABI_MAJOR, ICHOR_TARGET_MINOR, sizeof(ichor_plugin), 0, {manifest, sizeof manifest - 1},
    0,           create,          0,                  run,                  destroy, 0};

/* A volume, and a stage that hands it on: what is left is the engine's own cost. */
#include "ichor.h"

#define MANIFEST                                                                                   \
  "{\"ichor\":1,\"name\":\"bench\",\"version\":\"1.0.0\",\"stages\":["                             \
  "{\"id\":\"bench-make\",\"version\":\"1.0.0\",\"inputs\":[],"                                    \
  "\"outputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"],\"unit\":[\"HU\"]}],\"params\":{}},"        \
  "{\"id\":\"bench-pass\",\"version\":\"1.0.0\","                                                  \
  "\"inputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"]}],"                                          \
  "\"outputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"],\"like\":\"ct\",\"grid\":\"ct\"}],"         \
  "\"params\":{}}]}"

__attribute__((used, section(ICHOR_MANIFEST_SECTION))) static const char manifest[] = MANIFEST;

static int maker, passer; /* their addresses are the two instances */

static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  (void)params, (void)err;
  *out = (ichor_stage *)(id.ptr[6] == 'm' ? &maker : &passer);
  return ICHOR_OK;
}

static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) {
  (void)err;
  if ((int *)stage == &passer) return run->forward(run, 0, 0);
  const int64_t shape[3] = {400, 512, 512};
  ichor_geometry g = {sizeof g, 0, {-0.45, 0, 0, 115, 0, -0.45, 0, 115, 0, 0, 0.5, -100}, {0}, {0}, 0};
  const ichor_value *out;
  ichor_status status = run->new_tensor(run, 0, ICHOR_VOLUME, ICHOR_UNIT_HU, ICHOR_INT, 16, 3, shape, &g, &out);
  if (status != ICHOR_OK) return status;
  int16_t *voxels = out->tensor.data;
  for (int64_t n = 0; n < shape[0] * shape[1] * shape[2]; n++) voxels[n] = (int16_t)(n & 1023);
  return ICHOR_OK;
}

static void destroy(ichor_stage *stage) { (void)stage; }

ICHOR_EXPORT const ichor_plugin ichor_plugin_v1 = {
    ICHOR_MAGIC, ICHOR_ABI_MAJOR, ICHOR_TARGET_MINOR, sizeof(ichor_plugin), 0, {manifest, sizeof manifest - 1},
    0,           create,          0,                  run,                  destroy, 0};

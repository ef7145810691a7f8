/* Stages of a lab that are particular about their voxels: each hands its input on. Only their manifests matter. */
#include "ichor.h"

#define STAGE(id, rules)                                                                           \
  "{\"id\":\"" id "\",\"version\":\"1.0.0\",\"inputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"],"   \
  "\"unit\":[\"HU\"]," rules "}],"                                                                 \
  "\"outputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"],\"like\":\"ct\",\"grid\":\"ct\"}],\"params\":{}}"

__attribute__((used, section(ICHOR_MANIFEST_SECTION))) static const char manifest[] =
    "{\"ichor\":1,\"name\":\"picky\",\"version\":\"1.0.0\",\"stages\":["
    STAGE("lab-float", "\"dtype\":[\"f32\"]") ","
    STAGE("lab-thin", "\"spacing\":[[0.3,0.6],[0.3,0.6],[0.4,1.5]]") ","
    STAGE("lab-ras", "\"orientation\":\"RAS\"") ","
    STAGE("lab-upright", "\"regular\":true") "]}";

static int instance;

static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  (void)id, (void)params, (void)err;
  *out = (ichor_stage *)&instance;
  return ICHOR_OK;
}

static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) {
  (void)stage, (void)err;
  return run->forward(run, 0, 0);
}

static void destroy(ichor_stage *stage) { (void)stage; }

ICHOR_EXPORT const ichor_plugin ichor_plugin_v1 = {
    ICHOR_MAGIC, ICHOR_ABI_MAJOR, ICHOR_TARGET_MINOR, sizeof(ichor_plugin), 0, {manifest, sizeof manifest - 1},
    0,           create,          0,                  run,                  destroy, 0};

/* A library that would be a plugin, with one thing wrong: each file that includes this says which. */

#include <ichor.h>

#ifndef MAGIC
#define MAGIC ICHOR_MAGIC
#endif
#ifndef MAJOR
#define MAJOR ICHOR_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR ICHOR_TARGET_MINOR
#endif
#ifndef SIZE
#define SIZE sizeof(ichor_plugin)
#endif
#ifndef RUN
#define RUN run
#endif
#ifndef LOAD
#define LOAD NULL
#endif

#define TEXT_OF(id)                                                                              \
  "{\"ichor\":1,\"name\":\"" id "\",\"version\":\"1.0.0\",\"stages\":[{\"id\":\"" id "\","       \
  "\"version\":\"1.0.0\",\"summary\":\"never runs\",\"inputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"]}]," \
  "\"outputs\":[{\"name\":\"mask\",\"kind\":[\"mask\"],\"grid\":\"ct\"}],\"params\":{}}]}"
#ifndef MANIFEST
#define MANIFEST TEXT_OF(ID)
#endif

__attribute__((section(ICHOR_MANIFEST_SECTION), used)) static const char manifest[] = MANIFEST;

#ifndef NO_SYMBOL
#ifndef TABLE_MANIFEST
#define TABLE_MANIFEST {manifest, sizeof manifest - 1}
#endif

static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  static int instance;
  (void)id, (void)params, (void)err;
  *out = (ichor_stage *)&instance;
  return ICHOR_OK;
}

__attribute__((unused)) static ichor_status run(ichor_stage *stage, const ichor_run *services, ichor_error *err) {
  (void)stage, (void)services, (void)err;
  return ICHOR_INTERNAL;
}

static void destroy(ichor_stage *stage) { (void)stage; }

const ichor_plugin ichor_plugin_v1 = {
    .magic = MAGIC,
    .abi_major = MAJOR,
    .abi_minor = MINOR,
    .size = SIZE,
    .manifest = TABLE_MANIFEST,
    .load = LOAD,
    .create = create,
    .run = RUN,
    .destroy = destroy,
};
#endif

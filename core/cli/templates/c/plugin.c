/* The plugin `@NAME@`: one stage, to be made into yours. ichor.h says what a stage may and must do. */

#include <ichor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the plugin says of itself: read out of the file before any of it runs ---- */

#define JSON(...) #__VA_ARGS__

__attribute__((section(ICHOR_MANIFEST_SECTION), used)) static const char manifest[] = JSON({
  "ichor": 1, "name": "@NAME@", "version": "0.1.0",
  "stages": [{
    "id": "@NAME@", "version": "0.1.0", "summary": "Marks the voxels of a CT that are above a value.",
    "inputs": [{ "name": "ct", "kind": ["volume"], "unit": ["HU"], "doc": "CT" }],
    "outputs": [{ "name": "mask", "kind": ["mask"], "grid": "ct", "doc": "1 where the CT is above the value" }],
    "params": { "type": "object", "additionalProperties": false, "properties": {
      "above": { "type": "number", "default": 50, "minimum": -1024, "maximum": 3071,
                 "description": "Voxels must be above this.", "x-unit": "HU" }
    }, "required": [] }
  }]
});

/* Ports are numbered in the manifest's order. */
enum { CT = 0 };
enum { MASK = 0 };

/* One sentence for the person at the terminal: what is wrong, where, and what to do. */
static ichor_status fail(ichor_error *err, ichor_status status, const char *sentence) {
  snprintf(err->message, err->cap, "%s", sentence);
  return status;
}

/* ---- the stage ---- */

struct ichor_stage {
  double above;
};

/* The host has checked the parameters against the manifest and filled in the defaults. There is one here, a
 * number, so it is what follows the only colon; for more of them, take a JSON library. */
static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  (void)id;
  char text[64] = "";
  const char *colon = memchr(params.ptr, ':', params.len);
  size_t len = colon ? (size_t)(params.ptr + params.len - (colon + 1)) : 0;
  if (len == 0 || len >= sizeof text) return fail(err, ICHOR_BAD_PARAMS, "`above` must be a number");
  memcpy(text, colon + 1, len);
  ichor_stage *stage = malloc(sizeof *stage);
  if (!stage) return fail(err, ICHOR_OUT_OF_MEMORY, "not enough memory");
  stage->above = strtod(text, NULL);
  *out = stage;
  return ICHOR_OK;
}

static void destroy(ichor_stage *stage) { free(stage); }

/* Voxels that a thread gets at a time. */
#define GRAIN (1u << 16)

struct job {
  const void *hu;
  uint8_t *mask;
  double above;
};

/* One loop for each voxel type that a volume may have. */
#define MARK(name, type)                                                       \
  static void name(void *user, uint64_t begin, uint64_t end) {                 \
    const struct job *job = user;                                              \
    const type *hu = job->hu;                                                  \
    for (uint64_t n = begin; n < end; ++n) job->mask[n] = hu[n] > job->above;  \
  }
MARK(mark_i16, int16_t)
MARK(mark_u16, uint16_t)
MARK(mark_f32, float)

static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) {
  const ichor_value *ct = run->input(run, CT, 0);
  if (!ct || !ct->geometry || ct->tensor.ndim != 3) return fail(err, ICHOR_BAD_INPUT, "input `ct` is not a volume");
  const ichor_dl_tensor *t = &ct->tensor;
  void (*mark)(void *, uint64_t, uint64_t) = NULL;
  if (t->dtype_code == ICHOR_INT && t->dtype_bits == 16) mark = mark_i16;
  if (t->dtype_code == ICHOR_UINT && t->dtype_bits == 16) mark = mark_u16;
  if (t->dtype_code == ICHOR_FLOAT && t->dtype_bits == 32) mark = mark_f32;
  if (!mark) return fail(err, ICHOR_BAD_INPUT, "input `ct` has voxels that are neither i16, u16 nor f32");

  const ichor_value *mask = NULL;
  ichor_status status = run->new_tensor(run, MASK, ICHOR_MASK, ICHOR_UNIT_LABEL, ICHOR_UINT, 8, t->ndim, t->shape,
                                        ct->geometry, &mask);
  if (status != ICHOR_OK) return fail(err, status, "the host would not make output `mask`");

  struct job job = {(const char *)t->data + t->byte_offset, (uint8_t *)mask->tensor.data + mask->tensor.byte_offset,
                    stage->above};
  uint64_t voxels = (uint64_t)t->shape[0] * (uint64_t)t->shape[1] * (uint64_t)t->shape[2];
  status = run->parallel_for(run, voxels, GRAIN, mark, &job);
  if (status != ICHOR_OK) return fail(err, status, "the host ended a parallel loop early");
  return run->cancelled(run) ? ICHOR_CANCELLED : ICHOR_OK;
}

/* ---- the one exported symbol ---- */

const ichor_plugin ichor_plugin_v1 = {
    .magic = ICHOR_MAGIC,
    .abi_major = ICHOR_ABI_MAJOR,
    .abi_minor = ICHOR_TARGET_MINOR,
    .size = sizeof(ichor_plugin),
    .manifest = {manifest, sizeof manifest - 1},
    .create = create,
    .run = run,
    .destroy = destroy,
};

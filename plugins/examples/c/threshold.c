/* Keeps the voxels of a CT between two values: the example stage in C, on ichor.h alone.
 *
 * It shows all that a plugin is: a manifest, an instance made from parameters, a run, and the table of
 * functions that a host looks up. Nothing here is hidden in a library. */

#include <ichor.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the manifest: read out of the file before any of this runs ---- */

#define JSON(...) #__VA_ARGS__

__attribute__((section(ICHOR_MANIFEST_SECTION), used)) static const char manifest[] = JSON({
  "ichor": 1, "name": "threshold-c", "version": "1.0.0",
  "stages": [{
    "id": "threshold-c", "version": "1.0.0", "summary": "Keeps the voxels of a CT between two values.",
    "inputs": [{ "name": "ct", "kind": ["volume"], "unit": ["HU"], "doc": "CT" }],
    "outputs": [{ "name": "mask", "kind": ["mask"], "grid": "ct", "doc": "1 where lower <= HU <= upper" }],
    "params": { "type": "object", "additionalProperties": false, "properties": {
      "lower": { "type": "number", "default": 50, "description": "Lowest value kept.", "x-unit": "HU" },
      "upper": { "type": "number", "default": 100, "description": "Highest value kept.", "x-unit": "HU" }
    }, "required": [] }
  }]
});

/* Ports are numbered in the manifest's order. */
enum { CT = 0 };
enum { MASK = 0 };

/* ---- errors: a status, and one sentence for the person at the terminal ---- */

__attribute__((format(printf, 3, 4))) static ichor_status fail(ichor_error *err, ichor_status status,
                                                               const char *format, ...) {
  if (err && err->message && err->cap) {
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, err->cap, format, args);
    va_end(args);
  }
  return status;
}

/* ---- parameters: a JSON object of numbers, of which two are wanted ---- */

static const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) ++p;
  return p;
}

/* From an opening quote to past the closing one; NULL when there is none. */
static const char *skip_string(const char *p, const char *end) {
  if (p == end || *p != '"') return NULL;
  for (++p; p < end && *p != '"'; ++p)
    if (*p == '\\' && ++p == end) return NULL;
  return p < end ? p + 1 : NULL;
}

/* Past a value, to the comma or the bracket that follows it; NULL when it does not end. */
static const char *skip_value(const char *p, const char *end) {
  for (int depth = 0; p < end; ++p) {
    if (*p == '"') {
      p = skip_string(p, end);
      if (!p) return NULL;
      --p; /* the loop steps past the closing quote */
    } else if (*p == '[' || *p == '{') {
      ++depth;
    } else if (*p == ']' || *p == '}') {
      if (depth-- == 0) return p;
    } else if (*p == ',' && depth == 0) {
      return p;
    }
  }
  return NULL;
}

/* Reads the number that stands under `key` in the object `json`. Returns 0 when there is none. */
static int number_at(ichor_str json, const char *key, double *out) {
  const size_t key_len = strlen(key);
  const char *end = json.ptr + json.len, *p = skip_space(json.ptr, end);
  if (p == end || *p != '{') return 0;
  do {
    const char *name = skip_space(p + 1, end), *after = skip_string(name, end);
    if (!after) return 0;
    p = skip_space(after, end);
    if (p == end || *p != ':') return 0;
    const char *value = skip_space(p + 1, end);
    p = skip_value(value, end);
    if (!p) return 0;
    if ((size_t)(after - name) == key_len + 2 && memcmp(name + 1, key, key_len) == 0) {
      /* strtod needs a NUL. It must eat the whole text, so that a locale with a decimal comma is an error
       * rather than another number. */
      char text[64], *rest;
      size_t len = (size_t)(p - value);
      while (len && strchr(" \t\r\n", value[len - 1])) --len;
      if (len == 0 || len >= sizeof text) return 0;
      memcpy(text, value, len);
      text[len] = '\0';
      if (strspn(text, "+-.0123456789eE") != len) return 0; /* strtod also knows nan and hexadecimal */
      *out = strtod(text, &rest);
      return rest == text + len;
    }
  } while (*p == ',');
  return 0;
}

/* ---- the stage ---- */

struct ichor_stage {
  double lower, upper;
};

static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  (void)id; /* the plugin has one stage, and a host asks for none that the manifest does not list */
  double lower, upper;
  if (!number_at(params, "lower", &lower) || !number_at(params, "upper", &upper))
    return fail(err, ICHOR_BAD_PARAMS, "`lower` and `upper` must be numbers");
  if (lower > upper) return fail(err, ICHOR_BAD_PARAMS, "`lower` is above `upper`, so no voxel would be kept");
  ichor_stage *stage = malloc(sizeof *stage);
  if (!stage) return fail(err, ICHOR_OUT_OF_MEMORY, "not enough memory");
  stage->lower = lower;
  stage->upper = upper;
  *out = stage;
  return ICHOR_OK;
}

static void destroy(ichor_stage *stage) { free(stage); }

/* Voxels that a thread gets at a time: large enough that handing them out costs nothing. */
#define GRAIN (1u << 16)

struct job {
  const ichor_run *run;
  const void *hu;
  uint8_t *mask;
  double lower, upper;
};

/* One body for each voxel type. */
#define KEEP(name, type)                                                                       \
  static void name(void *user, uint64_t begin, uint64_t end) {                                 \
    const struct job *job = user;                                                              \
    const type *hu = job->hu;                                                                  \
    if (job->run->cancelled(job->run)) return;                                                 \
    for (uint64_t n = begin; n < end; ++n) job->mask[n] = job->lower <= hu[n] && hu[n] <= job->upper; \
  }
KEEP(keep_i16, int16_t)
KEEP(keep_u16, uint16_t)
KEEP(keep_f32, float)

static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) {
  const ichor_value *ct = run->input(run, CT, 0);
  if (!ct) return fail(err, ICHOR_BAD_INPUT, "input `ct` is not connected");
  const ichor_dl_tensor *t = &ct->tensor;
  if (!ct->geometry || t->ndim != 3) return fail(err, ICHOR_BAD_INPUT, "input `ct` is not a volume");

  void (*body)(void *, uint64_t, uint64_t) = NULL;
  if (t->dtype_code == ICHOR_INT && t->dtype_bits == 16) body = keep_i16;
  if (t->dtype_code == ICHOR_UINT && t->dtype_bits == 16) body = keep_u16;
  if (t->dtype_code == ICHOR_FLOAT && t->dtype_bits == 32) body = keep_f32;
  if (!body) return fail(err, ICHOR_BAD_INPUT, "input `ct` has voxels that are neither i16, u16 nor f32");

  const ichor_value *mask = NULL;
  ichor_status status = run->new_tensor(run, MASK, ICHOR_MASK, ICHOR_UNIT_LABEL, ICHOR_UINT, 8, t->ndim, t->shape,
                                        ct->geometry, &mask);
  if (status != ICHOR_OK) return fail(err, status, "the host would not make output `mask`");

  struct job job = {run, (const char *)t->data + t->byte_offset,
                    (uint8_t *)mask->tensor.data + mask->tensor.byte_offset, stage->lower, stage->upper};
  uint64_t voxels = (uint64_t)t->shape[0] * (uint64_t)t->shape[1] * (uint64_t)t->shape[2];
  status = run->parallel_for(run, voxels, GRAIN, body, &job);
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

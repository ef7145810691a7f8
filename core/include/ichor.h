/* ichor.h - the whole contract between the Ichor core and a stage plugin.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * This file is the source of truth. Every binding (core/abi in Rust, ichor.hpp in C++) is checked
 * against it by a layout test; none is generated from another language.
 *
 * HOW A PLUGIN MEETS A HOST
 *   1. The host opens the file, hashes it, and reads section ".ichor.manifest" out of it: JSON that
 *      lists the stages, their ports and the JSON Schema of their parameters. Nothing has run yet.
 *   2. dlopen(RTLD_NOW | RTLD_LOCAL), in the core or in a worker process. Never dlclose.
 *   3. dlsym("ichor_plugin_v1"): DATA, not a function. magic, abi_major, abi_minor and size are
 *      checked before the first call into the plugin.
 *   4. load() once per process, then create() / plan() / run() / destroy() per stage instance.
 *
 * RULES THAT HOLD EVERYWHERE
 *   Strings   UTF-8, pointer + length, not NUL-terminated, valid for the call they are passed to.
 *   Memory    Who allocates frees. Voxel outputs are allocated by the host (run->new_tensor), bytes
 *             are copied by it (run->emit_bytes, run->write_blob); nothing malloc'ed on one side is
 *             free'd on the other.
 *   Inputs    Read-only. A worker process sees them through read-only memory.
 *   Errors    Return a status; write one sentence for the person at the terminal into *err: what is
 *             wrong, where, and what to do. No errno, no thread-local state.
 *   Unwinding Never crosses the boundary in either direction. Rust: catch_unwind (the SDK does).
 *             C++: noexcept + catch(...). longjmp over a host frame is undefined.
 *   Growth    A struct whose first field is `size` may gain fields at its end in a minor version.
 *             Read a later field only if ICHOR_HAS(type, p, field). Such structs are always passed by
 *             pointer, never in an array by value. Fields are never removed, reordered or reused.
 *   Threads   Each function says where it may be called:
 *               [any-thread]  concurrently, from any thread
 *               [run-thread]  on the thread that is inside run() or plan()
 *               [serial]      never two at once on one stage instance (may move between threads)
 *   Output    Nothing goes to stdout or stderr, and no stage writes a result file: what a stage makes
 *             leaves through its output ports, and the host writes files (temporary name, then rename).
 */
#ifndef ICHOR_H
#define ICHOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ICHOR_ABI_MAJOR 1
#define ICHOR_ABI_MINOR 1 /* what this header describes */

/* The minor a plugin NEEDS, not the one its header happens to have: leave at 0 unless you call
 * something that is marked "since 1.N", so that old hosts keep loading you. */
#ifndef ICHOR_TARGET_MINOR
#define ICHOR_TARGET_MINOR 0
#endif

#define ICHOR_MAGIC 0x52484349u                  /* "ICHR" in a little-endian file */
#define ICHOR_MANIFEST_SECTION ".ichor.manifest" /* of the ELF file */

#define ICHOR_EXPORT __attribute__((visibility("default")))

#define ICHOR_HAS(type, p, field) ((p)->size >= offsetof(type, field) + sizeof((p)->field))

typedef struct ichor_host ichor_host;   /* services that outlive a run; owned by the host */
typedef struct ichor_run ichor_run;     /* services of one run; valid until run() returns */
typedef struct ichor_stage ichor_stage; /* an instance; opaque, owned by the plugin       */

typedef struct ichor_str {
  const char *ptr;
  size_t len;
} ichor_str;
#ifdef __cplusplus
#define ICHOR_STR(literal) (ichor_str{(literal), sizeof(literal) - 1})
#else
#define ICHOR_STR(literal) ((ichor_str){(literal), sizeof(literal) - 1})
#endif

/* ---------------------------------------------------------------- manifest ------------------- */

/* The manifest is one JSON object, alone in its section (trailing NUL bytes are ignored):
 *
 *   { "ichor": 1, "name": "my-plugin", "version": "1.0.0",
 *     "stages": [ { "id": "threshold", "version": "1.0.0", "summary": "one line",
 *       "inputs":  [ { "name": "ct",   "kind": ["volume"], "unit": ["HU"] } ],
 *       "outputs": [ { "name": "mask", "kind": ["mask"],   "grid": "ct"  } ],
 *       "params": { "type": "object", "properties":
 *          { "lower": { "type": "number", "default": 50, "description": "..." } } } } ] }
 *
 * Of a port:  name; kind: list of volume mask labels probs tensor table doc blob; unit: list of
 * none HU probability label mm (absent: any); grid: name of the input whose grid this port shares;
 * dtype: list of u8 i16 u16 u32 f32; spacing: [least, greatest] in mm for i, j and k each;
 * orientation: such as "RAS"; regular: true when the axes must be perpendicular;
 * doc. Inputs also: optional (bool), many (bool: takes a list of connections). Outputs also: like (has
 * kind and unit of that input), kind_param and unit_param (decided by that parameter's value).
 * Of a parameter, JSON Schema: type, enum, minimum, maximum, items, minItems, maxItems, default,
 * description; "x-unit" for people; "x-file": "input" marks a path whose content the host hashes. */

/* ---------------------------------------------------------------- status and errors ---------- */

typedef int32_t ichor_status;
enum {
  ICHOR_OK = 0,
  ICHOR_CANCELLED = 1,     /* the run stopped because cancelled() said so; not a failure      */
  ICHOR_BAD_PARAMS = 2,    /* parameters passed the schema but make no sense together         */
  ICHOR_BAD_INPUT = 3,     /* an input has the wrong kind, dtype, rank, geometry or content   */
  ICHOR_UNSUPPORTED = 4,   /* correct request that this build or machine cannot serve         */
  ICHOR_OUT_OF_MEMORY = 5, /* host, scratch or device                                         */
  ICHOR_IO = 6,            /* a file could not be read                                        */
  ICHOR_INTERNAL = 7,      /* a bug in the plugin, noticed by the plugin                      */
  ICHOR_PANICKED = 8,      /* an SDK caught a panic or C++ exception; instance is poisoned    */
  ICHOR_ABI_MISMATCH = 9,  /* only ever set by the host                                       */
  ICHOR_CRASHED = 10       /* only ever set by the host: the worker process died              */
};

/* Owned by the caller, who has NUL-terminated message[cap-1]; the callee writes a C string:
 * snprintf(err->message, err->cap, ...) is the whole idiom. */
typedef struct ichor_error {
  uint32_t size;
  uint32_t cap;
  char *message;
} ichor_error;

/* ---------------------------------------------------------------- data ----------------------- */

/* DLTensor: layout of DLPack 1.x, verbatim (48 bytes), renamed so that both headers can be
 * included together; a cast is the conversion. Strides count elements and may be NULL (compact).
 * Volumes have shape {nz, ny, nx}, probabilities {classes, nz, ny, nx}: x is fastest. What a host of
 * major 1 passes is compact and in memory that the CPU reads; anything else needs an extension. */
typedef struct ichor_dl_tensor {
  void *data;
  int32_t device_type; /* kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3 */
  int32_t device_id;
  int32_t ndim;
  uint8_t dtype_code; /* ICHOR_INT, ICHOR_UINT, ICHOR_FLOAT */
  uint8_t dtype_bits;
  uint16_t dtype_lanes; /* 1 */
  int64_t *shape;
  int64_t *strides;
  uint64_t byte_offset;
} ichor_dl_tensor;

enum { ICHOR_INT = 0, ICHOR_UINT = 1, ICHOR_FLOAT = 2 }; /* DLPack's kDLInt, kDLUInt, kDLFloat */

/* Where voxels are. One convention, so that no plugin ever has to ask: world is RAS+ in mm;
 * (i, j, k) counts voxels with i along the fastest axis (the last of shape). LPS sources (DICOM,
 * ITK) are converted once, by the stage that reads them. */
typedef struct ichor_geometry {
  uint32_t size;
  uint32_t reserved;
  double affine[12];   /* rows of the 3x4 matrix that takes (i, j, k, 1) to mm; authoritative */
  double spacing[3];   /* |columns| of affine, mm; derived by the host, ignored from plugins  */
  char orientation[4]; /* e.g. "RAS", "LPS" of (i, j, k), NUL; derived by the host, likewise  */
  uint32_t reserved2;
} ichor_geometry;

typedef int32_t ichor_unit;
enum {
  ICHOR_UNIT_NONE = 0,
  ICHOR_UNIT_HU = 1,
  ICHOR_UNIT_PROBABILITY = 2,
  ICHOR_UNIT_LABEL = 3,
  ICHOR_UNIT_MM = 4
};

typedef int32_t ichor_kind;
enum {
  ICHOR_VOLUME = 1, /* scalar field; i16, u16 or f32                              */
  ICHOR_MASK = 2,   /* u8, 0 or 1                                                 */
  ICHOR_LABELS = 3, /* u8, u16 or u32; names and colours in meta                  */
  ICHOR_PROBS = 4,  /* f32, {nz, ny, nx} or {classes, nz, ny, nx}                 */
  ICHOR_TENSOR = 5, /* anything else; no geometry                                 */
  ICHOR_TABLE = 6,  /* UTF-8 JSON, see below                                      */
  ICHOR_DOC = 7,    /* UTF-8 text; meta {"media_type": "...", "extension": "..."} */
  ICHOR_BLOB = 8    /* bytes; meta likewise                                       */
};

/* A table is JSON, because tables here are small (biomarkers, metrics), cross process borders, and
 * are cached and hashed as bytes:
 *   { "columns": [ { "name": "volume", "unit": "mL", "definition": "..." } ], "rows": [ [ 12.5 ] ] }
 * Cells are null, true, false, numbers or strings. Non-finite numbers do not exist: use null. */

/* A view. The host owns what it points to; it stays valid until run() returns. Inside plan() the
 * data pointers are NULL: shapes and geometry are known, voxels are not. */
typedef struct ichor_value {
  uint32_t size;
  ichor_kind kind;
  ichor_unit unit;
  uint32_t reserved;
  ichor_dl_tensor tensor;         /* kinds 1..5 */
  const ichor_geometry *geometry; /* kinds 1..4 */
  const void *bytes;              /* kinds 6..8 */
  uint64_t bytes_len;
  ichor_str meta;                 /* JSON object; may be empty. What a stage makes on exactly the grid of an
                                     input gets that input's key "grid": what a loader knew of the grid     */
} ichor_value;

/* ---------------------------------------------------------------- what the host offers ------- */

enum {
  ICHOR_LOG_ERROR = 1,
  ICHOR_LOG_WARN = 2,
  ICHOR_LOG_INFO = 3,
  ICHOR_LOG_DEBUG = 4,
  ICHOR_LOG_TRACE = 5
};

struct ichor_host {
  uint32_t size;
  uint16_t abi_major, abi_minor;
  void *ctx;
  ichor_str name, version;
  /* [any-thread] For messages outside a run; inside one, ichor_run.log knows the stage. */
  void (*log)(const ichor_host *, int32_t level, ichor_str message);
  /* [any-thread] e.g. "ichor.cuda/1". NULL when not offered. Valid for the life of the process. */
  const void *(*extension)(const ichor_host *, ichor_str id);
};

struct ichor_run {
  uint32_t size;
  uint32_t max_threads; /* this run's share of the machine: use no more than this */
  void *ctx;
  uint64_t seed; /* the only allowed source of randomness besides parameters */
  /* [run-thread] Ports are numbered in manifest order. index counts the connections of a `many`
   * port and is 0 otherwise. NULL: not connected, or index past the last connection. */
  const ichor_value *(*input)(const ichor_run *, uint32_t port, uint32_t index);
  /* [run-thread] A writable output in memory of the host's choosing (shared, recycled), aligned to
   * 64 bytes. Its content is unspecified: write every voxel. geometry may be NULL for TENSOR only.
   * *out stays valid until run() returns. In plan() it declares the output; *out has no data. */
  ichor_status (*new_tensor)(const ichor_run *, uint32_t port, ichor_kind, ichor_unit, uint8_t dtype_code,
                             uint8_t dtype_bits, int32_t ndim, const int64_t *shape, const ichor_geometry *,
                             const ichor_value **out);
  /* [run-thread] The output is the input, unchanged: one reference more, no bytes moved. */
  ichor_status (*forward)(const ichor_run *, uint32_t out_port, uint32_t in_port);
  /* [run-thread] A TABLE, DOC or BLOB output; the bytes are copied. */
  ichor_status (*emit_bytes)(const ichor_run *, uint32_t port, ichor_kind, const void *, size_t);
  /* [run-thread] Metadata of an output made before: a JSON object (label names, media type, ...). */
  ichor_status (*set_meta)(const ichor_run *, uint32_t port, ichor_str json);
  /* [any-thread] Uninitialised memory, freed when run() returns. NULL when there is none. */
  void *(*scratch)(const ichor_run *, size_t bytes, size_t align);
  /* [any-thread] Cheap enough to ask once per slice. Non-zero: return ICHOR_CANCELLED soon. */
  int32_t (*cancelled)(const ichor_run *);
  /* [any-thread] 0..1 and a few words; the host rate-limits. */
  void (*progress)(const ichor_run *, double fraction, ichor_str what);
  /* [any-thread] Reaches the run's log with the stage's name. */
  void (*log)(const ichor_run *, int32_t level, ichor_str message);
  /* [run-thread] Calls body(user, begin, end) on the host's threads with consecutive ranges of at
   * most `grain` until [0, n) is covered, at most max_threads at once, then returns. The ranges
   * depend on n and grain alone. body must not call parallel_for and must not unwind. */
  ichor_status (*parallel_for)(const ichor_run *, uint64_t n, uint64_t grain,
                               void (*body)(void *user, uint64_t begin, uint64_t end), void *user);
  /* since 1.1. [any-thread] A BLOB output that need not fit into memory: its bytes from `offset` on. The
   * first call makes the output, the host keeps it in a file of its own until the run has succeeded. It
   * ends behind the last byte written; what was skipped is zero. In plan() it declares the output. */
  ichor_status (*write_blob)(const ichor_run *, uint32_t port, uint64_t offset, const void *, size_t);
  /* since 1.1. [any-thread] Reads it again, as it is kept. ICHOR_IO when it has fewer bytes. */
  ichor_status (*read_blob)(const ichor_run *, uint32_t port, uint64_t offset, void *, size_t);
};

/* ---------------------------------------------------------------- what a plugin offers ------- */

typedef struct ichor_plan {
  uint32_t size;
  uint32_t reserved;
  uint64_t scratch_bytes; /* peak of the plugin's own memory, outputs not counted */
  uint64_t device_bytes;
  double relative_cost; /* any unit, compared between stages of one plugin */
} ichor_plan;

typedef struct ichor_plugin {
  uint32_t magic;                /* ICHOR_MAGIC            - these four fields keep their     */
  uint16_t abi_major, abi_minor; /* MAJOR, TARGET_MINOR      place in every future version,   */
  uint32_t size;                 /* sizeof(ichor_plugin)     so any host can refuse politely  */
  uint32_t flags;                /* 0 */
  ichor_str manifest;            /* the same bytes as section ICHOR_MANIFEST_SECTION */
  /* Once per process, before anything else. Keep `host`: it outlives the plugin. NULL allowed. */
  ichor_status (*load)(const ichor_host *host, ichor_error *err);
  /* [any-thread] params: JSON object, already valid against the stage's schema, defaults filled. */
  ichor_status (*create)(ichor_str stage_id, ichor_str params, ichor_stage **out, ichor_error *err);
  /* [serial] NULL allowed. Declares the outputs (new_tensor, forward) and the cost of a run on
   * inputs of these shapes, whose data pointers are NULL. */
  ichor_status (*plan)(ichor_stage *, const ichor_run *, ichor_plan *out, ichor_error *err);
  /* [serial] Makes every output of the manifest, or fails. */
  ichor_status (*run)(ichor_stage *, const ichor_run *, ichor_error *err);
  /* [serial] */
  void (*destroy)(ichor_stage *);
  /* [any-thread] NULL allowed. */
  const void *(*extension)(ichor_str id);
} ichor_plugin;

/* The one exported symbol. A host that also speaks major 2 asks for ichor_plugin_v2 first; a plugin
 * may export both. */
extern ICHOR_EXPORT const ichor_plugin ichor_plugin_v1;

/* ---------------------------------------------------------------- the layout, pinned --------- */
#if defined(__cplusplus)
#define ICHOR_ASSERT(c) static_assert(c, #c)
#else
#define ICHOR_ASSERT(c) _Static_assert(c, #c)
#endif
ICHOR_ASSERT(sizeof(void *) == 8);
ICHOR_ASSERT(sizeof(ichor_dl_tensor) == 48);
ICHOR_ASSERT(sizeof(ichor_geometry) == 136);
ICHOR_ASSERT(sizeof(ichor_value) == 104);
ICHOR_ASSERT(sizeof(ichor_host) == 64);
ICHOR_ASSERT(sizeof(ichor_run) == 120);
ICHOR_ASSERT(sizeof(ichor_plan) == 32);
ICHOR_ASSERT(sizeof(ichor_plugin) == 80);
ICHOR_ASSERT(offsetof(ichor_plugin, manifest) == 16);

#ifdef __cplusplus
}
#endif
#endif /* ICHOR_H */

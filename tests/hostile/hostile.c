/* A plugin that misbehaves on purpose, one stage for each way, for tests of the host. Every stage takes `ct` and
 * owes `mask` on the grid of `ct`. Run them in a worker process: in the host's own, some end it. */

#define _GNU_SOURCE
#include <ichor.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CT = 0 };
enum { MASK = 0 };

static ichor_status fail(ichor_error *err, ichor_status status, const char *sentence) {
  snprintf(err->message, err->cap, "%s", sentence);
  return status;
}

static const ichor_value *ct_of(const ichor_run *run) { return run->input(run, CT, 0); }

static size_t voxels(const ichor_run *run) {
  const int64_t *shape = ct_of(run)->tensor.shape;
  return (size_t)(shape[0] * shape[1] * shape[2]);
}

/* The output that is owed, or NULL when the host refuses. */
static uint8_t *make_mask(const ichor_run *run) {
  const ichor_value *ct = ct_of(run), *mask = NULL;
  run->new_tensor(run, MASK, ICHOR_MASK, ICHOR_UNIT_LABEL, ICHOR_UINT, 8, 3, ct->tensor.shape, ct->geometry, &mask);
  return mask ? mask->tensor.data : NULL;
}

/* What a stage should do: the others do something else first, or instead. */
static ichor_status well(const ichor_run *run, ichor_error *err) {
  uint8_t *mask = make_mask(run);
  if (!mask) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  memset(mask, 0, voxels(run));
  return ICHOR_OK;
}

/* ---- ways to die ---- */

static ichor_status segfault(const ichor_run *run, ichor_error *err) {
  (void)run, (void)err;
  volatile int *volatile nowhere = NULL;
  *nowhere = 1;
  return ICHOR_OK;
}

static ichor_status aborts(const ichor_run *run, ichor_error *err) {
  (void)run, (void)err;
  abort();
}

static ichor_status exits(const ichor_run *run, ichor_error *err) {
  (void)run, (void)err;
  exit(0);
}

/* ---- ways not to end ---- */

static ichor_status hang(const ichor_run *run, ichor_error *err) {
  (void)err;
  while (run) pause();
  return ICHOR_OK;
}

static ichor_status leak(const ichor_run *run, ichor_error *err) {
  (void)run;
  /* Far more than any limit of a test, and yet not the whole of the machine of who runs it without one. */
  for (int n = 0; n < 4096; ++n) {
    char *block = malloc(1 << 20);
    if (!block) for (;;) pause();
    memset(block, n, 1 << 20);
  }
  return fail(err, ICHOR_OUT_OF_MEMORY, "4 GiB were leaked, and nobody minded");
}

static ichor_status log_flood(const ichor_run *run, ichor_error *err) {
  char line[256];
  for (int n = 0; n < 200000; ++n) {
    int len = snprintf(line, sizeof line, "message %d of a stage that cannot stop talking: %0100d", n, n);
    run->log(run, ICHOR_LOG_WARN, (ichor_str){line, (size_t)len});
    run->progress(run, NAN, (ichor_str){line, (size_t)len});
  }
  return well(run, err);
}

/* ---- outputs that are not what was promised ---- */

static ichor_status made(const ichor_value *out) {
  if (out) memset(out->tensor.data, 0, 1);
  return ICHOR_OK; /* whatever the host said */
}

static ichor_status no_output(const ichor_run *run, ichor_error *err) {
  (void)run, (void)err;
  return ICHOR_OK;
}

static ichor_status wrong_shape(const ichor_run *run, ichor_error *err) {
  (void)err;
  const ichor_value *ct = ct_of(run), *out = NULL;
  const int64_t shape[] = {ct->tensor.shape[0], ct->tensor.shape[1], ct->tensor.shape[2] + 1};
  run->new_tensor(run, MASK, ICHOR_MASK, ICHOR_UNIT_LABEL, ICHOR_UINT, 8, 3, shape, ct->geometry, &out);
  return made(out);
}

static ichor_status wrong_kind(const ichor_run *run, ichor_error *err) {
  (void)err;
  const ichor_value *ct = ct_of(run), *out = NULL;
  run->new_tensor(run, MASK, ICHOR_VOLUME, ICHOR_UNIT_HU, ICHOR_INT, 16, 3, ct->tensor.shape, ct->geometry, &out);
  return made(out);
}

static ichor_status bad_geometry(const ichor_run *run, ichor_error *err) {
  (void)err;
  const ichor_value *ct = ct_of(run), *out = NULL;
  ichor_geometry geometry = *ct->geometry;
  geometry.affine[3] = NAN;
  run->new_tensor(run, MASK, ICHOR_MASK, ICHOR_UNIT_LABEL, ICHOR_UINT, 8, 3, ct->tensor.shape, &geometry, &out);
  return made(out);
}

static ichor_status huge(const ichor_run *run, ichor_error *err) {
  (void)err;
  const ichor_value *out = NULL;
  const int64_t shape[] = {100000, 100000, 100000};
  run->new_tensor(run, MASK, ICHOR_MASK, ICHOR_UNIT_LABEL, ICHOR_UINT, 8, 3, shape, ct_of(run)->geometry, &out);
  return made(out);
}

static ichor_status twice(const ichor_run *run, ichor_error *err) {
  ichor_status status = well(run, err);
  if (status != ICHOR_OK) return status;
  return make_mask(run) ? fail(err, ICHOR_INTERNAL, "the host made the same output twice") : ICHOR_OK;
}

/* Writes bytes for a port that takes none, for none at all, from nowhere, and reads what was never written. */
static ichor_status gives(const ichor_run *run, ichor_error *err) {
  char mine[64] = {0};
  if (run->write_blob(run, MASK, 0, mine, 64) == ICHOR_OK || run->write_blob(run, 99, 0, mine, 64) == ICHOR_OK ||
      run->write_blob(run, MASK, 0, NULL, 64) == ICHOR_OK || run->write_blob(run, MASK, 0, mine, SIZE_MAX) == ICHOR_OK ||
      run->write_blob(run, MASK, UINT64_MAX, mine, 64) == ICHOR_OK || run->read_blob(run, MASK, 0, mine, 1) == ICHOR_OK ||
      run->read_blob(run, 99, 0, mine, 1) == ICHOR_OK || run->read_blob(run, MASK, 0, NULL, 1) == ICHOR_OK)
    return fail(err, ICHOR_INTERNAL, "the host took what it must not take");
  return well(run, err);
}

static ichor_status nan_probs(const ichor_run *run, ichor_error *err) {
  const ichor_value *ct = ct_of(run), *out = NULL;
  run->new_tensor(run, MASK, ICHOR_PROBS, ICHOR_UNIT_PROBABILITY, ICHOR_FLOAT, 32, 3, ct->tensor.shape,
                  ct->geometry, &out);
  if (!out) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  for (size_t n = 0; n < voxels(run); ++n) ((float *)out->tensor.data)[n] = n % 2 ? NAN : 0.5f;
  return ICHOR_OK;
}

static ichor_status bad_mask(const ichor_run *run, ichor_error *err) {
  uint8_t *mask = make_mask(run);
  if (!mask) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  memset(mask, 7, voxels(run));
  return ICHOR_OK;
}

/* ---- memory of others ---- */

static ichor_status overrun(const ichor_run *run, ichor_error *err) {
  uint8_t *mask = make_mask(run);
  if (!mask) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  memset(mask, 1, voxels(run) + 4096);
  return ICHOR_OK;
}

static ichor_status scribble(const ichor_run *run, ichor_error *err) {
  volatile uint8_t *ct = ct_of(run)->tensor.data;
  *ct = (uint8_t)~*ct;
  return well(run, err);
}

/* ---- errors ---- */

static ichor_status error(const ichor_run *run, ichor_error *err) {
  (void)run;
  return fail(err, ICHOR_BAD_INPUT, "the CT shows no head; check which file is bound to `ct`");
}

/* Fills the whole buffer: the host's own NUL at its end is gone. */
static ichor_status long_error(const ichor_run *run, ichor_error *err) {
  (void)run;
  memset(err->message, 'x', err->cap);
  return ICHOR_BAD_INPUT;
}

/* ---- the process ---- */

static ichor_status prints(const ichor_run *run, ichor_error *err) {
  printf("{\"a line\": \"on standard output\"}\n");
  fflush(stdout);
  fprintf(stderr, "\033[31mand one on standard error\n");
  return well(run, err);
}

/* The child keeps every file that the stage's process has open. It ends by itself, should the host let it. */
static ichor_status forks(const ichor_run *run, ichor_error *err) {
  if (fork() == 0) {
    sleep(30);
    _exit(0);
  }
  return well(run, err);
}

/* Likewise, and no longer in the group of the stage's process. */
static ichor_status daemonizes(const ichor_run *run, ichor_error *err) {
  if (fork() == 0) {
    setsid();
    sleep(30);
    _exit(0);
  }
  return well(run, err);
}

/* Also what its process talks to the host through. */
static ichor_status close_files(const ichor_run *run, ichor_error *err) {
  ichor_status status = well(run, err);
  for (int fd = 0; fd < 1024; ++fd) close(fd);
  return status;
}

/* ---- what only shows when one looks twice ---- */

static ichor_status unwritten(const ichor_run *run, ichor_error *err) {
  uint8_t *mask = make_mask(run);
  if (!mask) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  memset(mask, 1, (voxels(run) + 1) / 2); /* fresh memory is zero, so who would notice the rest */
  if (voxels(run) == 1) *mask = 1;
  return ICHOR_OK;
}

/* Makes a mask whose first voxel is `bit`. */
static ichor_status first_voxel(const ichor_run *run, ichor_error *err, int bit) {
  uint8_t *mask = make_mask(run);
  if (!mask) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  memset(mask, 0, voxels(run));
  *mask = (uint8_t)(bit != 0);
  return ICHOR_OK;
}

/* As many random bits as the mask has voxels, so that no two runs agree by chance. */
static ichor_status random_mask(const ichor_run *run, ichor_error *err) {
  uint8_t *mask = make_mask(run), bytes[256];
  if (!mask) return fail(err, ICHOR_INTERNAL, "the host would not make output `mask`");
  memset(mask, 0, voxels(run));
  if (getentropy(bytes, sizeof bytes) != 0) return fail(err, ICHOR_INTERNAL, "no randomness");
  for (size_t n = 0; n < voxels(run) && n < sizeof bytes; ++n) mask[n] = bytes[n] & 1;
  return ICHOR_OK;
}

static ichor_status threads(const ichor_run *run, ichor_error *err) {
  return first_voxel(run, err, run->max_threads > 1);
}

static ichor_status remembers(const ichor_run *run, ichor_error *err) {
  static int runs;
  return first_voxel(run, err, runs++);
}

/* Stays until it is told to go, and then all the more. */
static ichor_status ignores_cancel(const ichor_run *run, ichor_error *err) {
  while (run->cancelled(run)) pause();
  return well(run, err);
}

static ichor_status refuses_u16(const ichor_run *run, ichor_error *err) {
  if (ct_of(run)->tensor.dtype_code == ICHOR_UINT)
    return fail(err, ICHOR_BAD_INPUT, "the CT has unsigned voxels, which HU are not");
  return well(run, err);
}

static ichor_status thin(const ichor_run *run, ichor_error *err) {
  volatile int64_t last = ct_of(run)->tensor.shape[2] - 1, spread = 100;
  spread = spread / last;
  return well(run, err);
}

static ichor_status straight(const ichor_run *run, ichor_error *err) {
  const double *affine = ct_of(run)->geometry->affine;
  if (affine[1] != 0 || affine[2] != 0 || affine[4] != 0) abort();
  return well(run, err);
}

static ichor_status silent(const ichor_run *run, ichor_error *err) {
  (void)run, (void)err;
  return ICHOR_BAD_INPUT;
}

/* ---- the plugin ---- */

#define STAGES(STAGE)                                                                       \
  STAGE("segfault", segfault, "mask", "writes to address 0")                                \
  STAGE("abort", aborts, "mask", "calls abort()")                                           \
  STAGE("exit", exits, "mask", "calls exit(0) without having made anything")                \
  STAGE("hang", hang, "mask", "sleeps, and does not care about cancellation")               \
  STAGE("leak", leak, "mask", "allocates memory and touches it, on and on")                 \
  STAGE("wrong-shape", wrong_shape, "mask", "makes its output on another grid")             \
  STAGE("wrong-kind", wrong_kind, "mask", "makes its output a volume")                      \
  STAGE("no-output", no_output, "mask", "ends well without its output")                     \
  STAGE("twice", twice, "mask", "makes its output twice")                                   \
  STAGE("gives", gives, "mask", "hands over memory that is not its to give")                  \
  STAGE("error", error, "mask", "fails with a sentence")                                    \
  STAGE("long-error", long_error, "mask", "fails with more than a sentence")                \
  STAGE("bad-geometry", bad_geometry, "mask", "makes its output with NaN in the affine")    \
  STAGE("huge", huge, "mask", "asks for an output of 10^15 voxels")                         \
  STAGE("overrun", overrun, "mask", "writes a page past the end of its output")             \
  STAGE("scribble", scribble, "mask", "writes to its input")                                \
  STAGE("stdout", prints, "mask", "prints to standard output and standard error")           \
  STAGE("fork", forks, "mask", "leaves a child process behind")                             \
  STAGE("daemon", daemonizes, "mask", "leaves a child in a process group of its own behind") \
  STAGE("close-files", close_files, "mask", "closes every file of its process")             \
  STAGE("nan", nan_probs, "probs", "makes probabilities that are NaN")                      \
  STAGE("bad-mask", bad_mask, "mask", "makes a mask of sevens")                             \
  STAGE("log-flood", log_flood, "mask", "logs 200000 messages")                             \
  STAGE("unwritten", unwritten, "mask", "writes half of its output")                        \
  STAGE("random", random_mask, "mask", "makes something else each time")                    \
  STAGE("threads", threads, "mask", "makes what depends on the number of threads")          \
  STAGE("remembers", remembers, "mask", "makes what depends on what it made before")        \
  STAGE("ignores-cancel", ignores_cancel, "mask", "does not stop when it is asked to")      \
  STAGE("refuses-u16", refuses_u16, "mask", "refuses what its manifest lets through")       \
  STAGE("thin", thin, "mask", "divides by the number of columns but one")                   \
  STAGE("straight", straight, "mask", "aborts when the axes are oblique")                   \
  STAGE("silent", silent, "mask", "fails without a sentence")                               \
  STAGE("breaks", well, "mask", "aborts in destroy() when a run before has failed")         \
  STAGE("trusting", well, "mask", "does not look what it is given")

/* One more, for its parameter. */
#define EDGE_ENTRY                                                                                  \
  ",{\"id\":\"hostile-edge\",\"version\":\"1.0.0\",\"summary\":\"aborts at the limit of its parameter\","    \
  "\"inputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"]}],"                                                \
  "\"outputs\":[{\"name\":\"mask\",\"kind\":[\"mask\"],\"grid\":\"ct\"}],"                                \
  "\"params\":{\"type\":\"object\",\"properties\":{"                                               \
  "\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,\"default\":3}}}}"

#define ENTRY(id, function, kind, summary)                                                          \
  "{\"id\":\"hostile-" id "\",\"version\":\"1.0.0\",\"summary\":\"" summary                         \
  "\",\"inputs\":[{\"name\":\"ct\",\"kind\":[\"volume\"]}],"                                        \
  "\"outputs\":[{\"name\":\"mask\",\"kind\":[\"" kind "\"],\"grid\":\"ct\"}],"                      \
  "\"params\":{\"type\":\"object\",\"properties\":{}}}"
#define NEXT_ENTRY(...) "," ENTRY(__VA_ARGS__)

__attribute__((section(ICHOR_MANIFEST_SECTION), used)) static const char manifest[] =
    "{\"ichor\":1,\"name\":\"hostile\",\"version\":\"1.0.0\",\"stages\":["
    ENTRY("well", well, "mask", "does as it should") STAGES(NEXT_ENTRY) EDGE_ENTRY "]}";

struct ichor_stage {
  const char *id;
  ichor_status (*run)(const ichor_run *, ichor_error *);
};

#define ROW(id, function, kind, summary) {"hostile-" id, function},
static struct ichor_stage stages[] = {{"hostile-well", well}, {"hostile-edge", well}, STAGES(ROW)};

static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) {
  /* Only hostile-edge has a parameter, and this is how the host writes its least value. */
  if (memmem(params.ptr, params.len, "\"count\":0", 9)) abort();
  for (size_t n = 0; n < sizeof stages / sizeof *stages; ++n) {
    if (strlen(stages[n].id) == id.len && memcmp(stages[n].id, id.ptr, id.len) == 0) {
      *out = &stages[n];
      return ICHOR_OK;
    }
  }
  return fail(err, ICHOR_BAD_PARAMS, "there is no such stage");
}

static int failures;

static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) {
  const ichor_value *ct = ct_of(run);
  if (strcmp(stage->id, "hostile-trusting") != 0 && (!ct || ct->kind != ICHOR_VOLUME))
    return ++failures, fail(err, ICHOR_BAD_INPUT, "input `ct` is not a volume");
  return stage->run(run, err);
}

static void destroy(ichor_stage *stage) {
  if (strcmp(stage->id, "hostile-breaks") == 0 && failures && failures++ > 1) abort();
}

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

/* ichor.hpp - C++17 convenience over ichor.h: header only, standard library only.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A stage is a class with ports, parameters, a constructor and run():
 *
 *   class Threshold {
 *    public:
 *     static constexpr ichor::About about{"threshold", "1.0.0", "Keeps the voxels of a CT between two values."};
 *     static constexpr ichor::Port inputs[] = {ichor::Port("ct", "volume").unit("HU")};
 *     static constexpr ichor::Port outputs[] = {ichor::Port("mask", "mask").grid("ct")};
 *     static constexpr ichor::Param params[] = {ichor::Param("lower", "number").standard("50")};
 *
 *     explicit Threshold(const ichor::Params &params) : lower_(params.number("lower")) {}
 *     void run(ichor::Context &run) const;
 *   };
 *   ICHOR_PLUGIN("my-plugin", "1.0.0", Threshold)
 *
 * The declarations become the manifest while the plugin compiles, so the two cannot disagree.
 *
 * Errors    Throw ichor::Error with a status and a sentence for the person at the terminal. Every other
 *           exception is taken for a bug: the host hears ICHOR_PANICKED and makes no further call to the
 *           instance but destroy(). No exception crosses the boundary, also not out of a parallel loop.
 * Lifetime  Everything that Context gives (spans, inputs, text) is the host's and ends with run().
 * Threads   Inputs and outputs are for the thread of run(); cancelled, progress, info and warn are for all.
 * Build     c++ -std=c++17 -O2 -fPIC -shared -fvisibility=hidden -o libmy_plugin.so my_plugin.cpp
 */
#ifndef ICHOR_HPP
#define ICHOR_HPP

#include "ichor.h"

#include <array>
#include <charconv>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ichor {

/* ---------------------------------------------------------------- errors --------------------- */

/* A failure: the status, and one sentence that says what is wrong and what to do. */
class Error : public std::runtime_error {
 public:
  Error(ichor_status status, const std::string &sentence) : std::runtime_error(sentence), status_(status) {}
  ichor_status status() const noexcept { return status_; }

 private:
  ichor_status status_;
};

/* ---------------------------------------------------------------- declarations --------------- */

struct About {
  std::string_view id, version, summary;
};

/* An input or an output. Several kinds or units are joined by '|': Port("image", "volume|mask"). */
struct Port {
  std::string_view name_, kind_, unit_{}, grid_{}, like_{}, doc_{};
  bool optional_ = false, many_ = false;

  constexpr Port(std::string_view name, std::string_view kind) : name_(name), kind_(kind) {}
  constexpr Port unit(std::string_view text) const { return with(&Port::unit_, text); }
  constexpr Port grid(std::string_view input) const { return with(&Port::grid_, input); }
  constexpr Port like(std::string_view input) const { return with(&Port::like_, input); }
  constexpr Port doc(std::string_view text) const { return with(&Port::doc_, text); }
  constexpr Port optional() const { return with(&Port::optional_, true); }
  constexpr Port many() const { return with(&Port::many_, true); }

 private:
  template <class T>
  constexpr Port with(T Port::*field, T value) const {
    Port copy = *this;
    copy.*field = value;
    return copy;
  }
};

/* A parameter. `type` is number, integer, boolean or string; values are written as JSON:
 * Param("side", "string").choices(R"(["left","right"])").standard(R"("left")"). Without a standard value
 * the pipeline must give one. A stage without parameters has std::array<ichor::Param, 0> params{}. */
struct Param {
  std::string_view name_, type_, standard_{}, minimum_{}, maximum_{}, choices_{}, unit_{}, doc_{};

  constexpr Param(std::string_view name, std::string_view type) : name_(name), type_(type) {}
  constexpr Param standard(std::string_view json) const { return with(&Param::standard_, json); }
  constexpr Param minimum(std::string_view json) const { return with(&Param::minimum_, json); }
  constexpr Param maximum(std::string_view json) const { return with(&Param::maximum_, json); }
  constexpr Param choices(std::string_view json) const { return with(&Param::choices_, json); }
  constexpr Param unit(std::string_view text) const { return with(&Param::unit_, text); }
  constexpr Param doc(std::string_view text) const { return with(&Param::doc_, text); }

 private:
  constexpr Param with(std::string_view Param::*field, std::string_view value) const {
    Param copy = *this;
    copy.*field = value;
    return copy;
  }
};

/* ---------------------------------------------------------------- data ----------------------- */

/* Elements that follow one another in memory. */
template <class T>
class Span {
 public:
  constexpr Span(T *data, std::size_t size) : data_(data), size_(size) {}
  constexpr T *data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr T *begin() const { return data_; }
  constexpr T *end() const { return data_ + size_; }
  constexpr T &operator[](std::size_t n) const { return data_[n]; }

 private:
  T *data_;
  std::size_t size_;
};

/* Where voxels are: counts along i (fastest), j, k, and the rows of the matrix from (i, j, k, 1) to RAS+ mm. */
struct Grid {
  std::array<int64_t, 3> shape{};
  std::array<double, 12> affine{};
  std::size_t size() const { return static_cast<std::size_t>(shape[0] * shape[1] * shape[2]); }
};

namespace detail {

/* DLPack's code of a voxel type. */
template <class T>
constexpr uint8_t code() {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "voxels are numbers");
  return std::is_floating_point_v<T> ? ICHOR_FLOAT : std::is_signed_v<T> ? ICHOR_INT : ICHOR_UINT;
}

template <class T>
constexpr uint8_t bits() {
  return 8 * sizeof(T);
}

inline ichor_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(ichor_str text) { return text.len ? std::string_view(text.ptr, text.len) : ""; }

}  // namespace detail

/* A read-only view of one input. */
class Input {
 public:
  Input(const ichor_value &value, std::string_view port) : value_(value), port_(port) {
    if (value.kind < ICHOR_VOLUME || value.kind > ICHOR_PROBS) return;
    const ichor_dl_tensor &t = value.tensor;
    if (!value.geometry || !t.shape || t.ndim < 3 || t.ndim > 4 || (t.device_type != 1 && t.device_type != 3))
      throw Error(ICHOR_INTERNAL, "the host passed input `" + std::string(port) + "` in a form unknown here");
    grid_.shape = {t.shape[t.ndim - 1], t.shape[t.ndim - 2], t.shape[t.ndim - 3]};
    std::memcpy(grid_.affine.data(), value.geometry->affine, sizeof value.geometry->affine);
    channels_ = t.ndim == 4 ? static_cast<std::size_t>(t.shape[0]) : 1;
  }

  ichor_kind kind() const { return value_.kind; }
  ichor_unit unit() const { return value_.unit; }
  const Grid &grid() const { return grid_; }
  /* Volumes stored one after another: classes of probabilities, else 1. */
  std::size_t channels() const { return channels_; }

  template <class T>
  bool is() const {
    const ichor_dl_tensor &t = value_.tensor;
    return t.dtype_code == detail::code<T>() && t.dtype_bits == detail::bits<T>() && t.dtype_lanes == 1;
  }

  /* The voxels, x fastest. Throws when they are of another type. */
  template <class T>
  Span<const T> voxels() const {
    if (!is<T>()) throw wrong_type();
    const char *data = static_cast<const char *>(value_.tensor.data);
    if (!data) return {nullptr, 0};
    return {reinterpret_cast<const T *>(data + value_.tensor.byte_offset), grid_.size() * channels_};
  }

  /* Calls body(Span<const T>) with the voxels in the type that they have. */
  template <class Body>
  void visit(Body &&body) const {
    if (is<int16_t>()) return body(voxels<int16_t>());
    if (is<float>()) return body(voxels<float>());
    if (is<uint8_t>()) return body(voxels<uint8_t>());
    if (is<uint16_t>()) return body(voxels<uint16_t>());
    if (is<uint32_t>()) return body(voxels<uint32_t>());
    throw wrong_type();
  }

  /* The bytes of a table, doc or blob. */
  std::string_view bytes() const {
    return value_.bytes_len ? std::string_view(static_cast<const char *>(value_.bytes), value_.bytes_len) : "";
  }
  /* A JSON object, or nothing. */
  std::string_view meta() const { return detail::view(value_.meta); }

 private:
  Error wrong_type() const {
    return {ICHOR_BAD_INPUT, "input `" + std::string(port_) + "` has voxels of a type that the stage does not read"};
  }

  const ichor_value &value_;
  std::string_view port_;
  Grid grid_;
  std::size_t channels_ = 1;
};

/* ---------------------------------------------------------------- parameters ----------------- */

/* The parameters of an instance: one JSON object that the host has checked against the declarations. What is
 * asked for must have been declared; asking for another type throws. */
class Params {
 public:
  explicit Params(std::string_view json) : json_(json) {}

  /* Whether the parameter is there and not null. */
  bool has(std::string_view name) const {
    std::string_view value = find(name);
    return !value.empty() && value != "null";
  }

  double number(std::string_view name) const { return read<double>(name, "a number"); }
  int64_t integer(std::string_view name) const { return read<int64_t>(name, "an integer"); }

  bool boolean(std::string_view name) const {
    std::string_view value = find(name);
    if (value != "true" && value != "false") throw wrong(name, "true or false");
    return value == "true";
  }

  std::string text(std::string_view name) const {
    std::string_view value = find(name);
    if (value.empty() || value[0] != '"') throw wrong(name, "a text");
    std::size_t at = 0;
    return string(value, at);
  }

 private:
  static Error wrong(std::string_view name, const char *wanted) {
    return {ICHOR_BAD_PARAMS, "parameter `" + std::string(name) + "` is not " + wanted};
  }
  static Error broken() { return {ICHOR_BAD_PARAMS, "the parameters are no JSON object"}; }

  template <class T>
  T read(std::string_view name, const char *wanted) const {
    std::string_view value = find(name);
    T out{};
    /* Not strtod: that one reads a decimal comma in some locales. Both know nan and inf, which JSON does not. */
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    const bool whole = error == std::errc() && end == value.data() + value.size();
    if (!whole || value.find_first_of("nN") != value.npos) throw wrong(name, wanted);
    return out;
  }

  /* The value of a member as it is written; empty when there is none. */
  std::string_view find(std::string_view name) const {
    std::size_t at = 0;
    std::string_view found{};
    expect('{', at);
    while (!next_is('}', at)) {
      std::string key = string(json_, at);
      expect(':', at);
      space(at);
      std::size_t begin = at;
      skip(at);
      if (key == name) found = json_.substr(begin, at - begin);
      if (!next_is('}', at)) expect(',', at);
    }
    return found;
  }

  void space(std::size_t &at) const {
    while (at < json_.size() && std::strchr(" \t\r\n", json_[at]) && json_[at]) ++at;
  }
  bool next_is(char wanted, std::size_t &at) const {
    space(at);
    return at < json_.size() && json_[at] == wanted;
  }
  void expect(char wanted, std::size_t &at) const {
    if (!next_is(wanted, at)) throw broken();
    ++at;
    space(at);
  }

  /* Past one value: a list or an object ends with the bracket that closes its first. */
  void skip(std::size_t &at) const {
    const std::size_t begin = at;
    int depth = 0;
    while (at < json_.size()) {
      char c = json_[at];
      if (c == '"') {
        string(json_, at);
      } else if (c == '[' || c == '{') {
        ++depth, ++at;
      } else if (depth && (c == ']' || c == '}')) {
        --depth, ++at;
      } else if (!depth && std::strchr(",}] \t\r\n", c)) {
        break;
      } else {
        ++at;
        continue;
      }
      if (!depth) return;
    }
    if (depth || at == begin) throw broken();
  }

  /* Reads a string from its opening quote to past its closing one. */
  static std::string string(std::string_view json, std::size_t &at) {
    std::string out;
    if (at >= json.size() || json[at] != '"') throw broken();
    for (++at; at < json.size() && json[at] != '"';) {
      char c = json[at++];
      if (c != '\\') {
        out += c;
        continue;
      }
      c = at < json.size() ? json[at++] : '\0';
      const char *const from = "\"\\/bfnrt", *const to = "\"\\/\b\f\n\r\t";
      if (const char *known = c ? std::strchr(from, c) : nullptr) {
        out += to[known - from];
      } else if (c == 'u') {
        uint32_t unit = hex(json, at);
        if (unit >= 0xD800 && unit < 0xDC00 && json.substr(at, 2) == "\\u") {
          at += 2;
          unit = 0x10000 + ((unit - 0xD800) << 10) + ((hex(json, at) - 0xDC00) & 0x3FF);
        }
        encode(unit, out);
      } else {
        throw broken();
      }
    }
    if (at >= json.size()) throw broken();
    ++at;
    return out;
  }

  static uint32_t hex(std::string_view json, std::size_t &at) {
    uint32_t out = 0;
    if (json.size() - at < 4) throw broken();
    auto [end, error] = std::from_chars(json.data() + at, json.data() + at + 4, out, 16);
    if (error != std::errc() || end != json.data() + at + 4) throw broken();
    at += 4;
    return out;
  }

  static void encode(uint32_t c, std::string &out) {
    auto byte = [&](uint32_t b) { out += static_cast<char>(b); };
    if (c < 0x80) return byte(c);
    if (c < 0x800) return byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F));
    if (c < 0x10000) {
      byte(0xE0 | c >> 12);
    } else {
      byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F));
    }
    byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
  }

  std::string_view json_;
};

/* ---------------------------------------------------------------- context -------------------- */

/* The host's services for one run. Ports are called by their names. */
class Context {
 public:
  Context(const ichor_run *run, Span<const Port> inputs, Span<const Port> outputs)
      : run_(run), inputs_(inputs), outputs_(outputs) {}

  Input input(std::string_view port) const {
    std::optional<Input> found = at(port, 0);
    if (!found) throw Error(ICHOR_BAD_INPUT, "input `" + std::string(port) + "` is not connected");
    return *found;
  }
  std::optional<Input> optional(std::string_view port) const { return at(port, 0); }
  /* All connections of a `many` port, in the order of the pipeline file. */
  std::vector<Input> many(std::string_view port) const {
    std::vector<Input> out;
    while (std::optional<Input> next = at(port, static_cast<uint32_t>(out.size()))) out.push_back(*next);
    return out;
  }

  /* Outputs in memory of the host: their content is unspecified, so write every voxel. */
  Span<uint8_t> new_mask(std::string_view port, const Grid &grid) const {
    return make<uint8_t>(port, ICHOR_MASK, ICHOR_UNIT_LABEL, grid, 0);
  }
  template <class T>
  Span<T> new_volume(std::string_view port, ichor_unit unit, const Grid &grid) const {
    return make<T>(port, ICHOR_VOLUME, unit, grid, 0);
  }
  template <class T>
  Span<T> new_labels(std::string_view port, const Grid &grid) const {
    return make<T>(port, ICHOR_LABELS, ICHOR_UNIT_LABEL, grid, 0);
  }
  /* Probabilities of one class, or of several, one volume after another. */
  Span<float> new_probs(std::string_view port, int64_t classes, const Grid &grid) const {
    return make<float>(port, ICHOR_PROBS, ICHOR_UNIT_PROBABILITY, grid, classes > 1 ? classes : 0);
  }

  /* Makes an output the input itself: nothing is copied. */
  void forward(std::string_view output, std::string_view input) const {
    check(run_->forward(run_, number(outputs_, output), number(inputs_, input)), output, "forward an input to");
  }
  /* A table in the JSON form of ichor.h. */
  void emit_table(std::string_view port, std::string_view json) const { emit(port, ICHOR_TABLE, json); }
  void emit_doc(std::string_view port, std::string_view text) const { emit(port, ICHOR_DOC, text); }
  void emit_blob(std::string_view port, std::string_view bytes) const { emit(port, ICHOR_BLOB, bytes); }
  /* Metadata of an output that was made before, e.g. {"media_type":"text/html","extension":"html"}. */
  void set_meta(std::string_view port, std::string_view json) const {
    check(run_->set_meta(run_, number(outputs_, port), detail::str(json)), port, "describe");
  }

  /* With the parameters, the only source of randomness. */
  uint64_t seed() const { return run_->seed; }
  uint32_t max_threads() const { return run_->max_threads; }
  bool cancelled() const { return run_->cancelled(run_) != 0; }
  /* In a loop, once a slice: leaves the stage when the run should stop. */
  void check_cancelled() const {
    if (cancelled()) throw Error(ICHOR_CANCELLED, "cancelled");
  }
  void progress(double fraction, std::string_view what) const {
    run_->progress(run_, fraction, detail::str(what));
  }
  void info(std::string_view message) const { run_->log(run_, ICHOR_LOG_INFO, detail::str(message)); }
  void warn(std::string_view message) const { run_->log(run_, ICHOR_LOG_WARN, detail::str(message)); }

  /* Calls body(begin, end) for ranges of at most `grain` until [0, n) is covered, on the host's threads. An
   * exception comes out here, after the loop. Not inside another parallel_for. */
  template <class Body>
  void parallel_for(std::size_t n, std::size_t grain, Body &&body) const {
    struct Loop {
      std::remove_reference_t<Body> &body;
      std::mutex mutex{};
      std::exception_ptr failure{};
      uint64_t at = 0;
    } loop{body};
    ichor_status status = run_->parallel_for(
        run_, n, grain ? grain : 1,
        [](void *user, uint64_t begin, uint64_t end) {
          Loop &loop = *static_cast<Loop *>(user);
          try {
            loop.body(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
          } catch (...) {
            /* The failure of the lowest range, so that the same one is told however threads were timed. */
            std::lock_guard<std::mutex> lock(loop.mutex);
            if (!loop.failure || begin < loop.at) loop.failure = std::current_exception(), loop.at = begin;
          }
        },
        &loop);
    if (loop.failure) std::rethrow_exception(loop.failure);
    if (status != ICHOR_OK) throw Error(status, "the host ended a parallel loop early");
  }

  /* For what is not here. */
  const ichor_run *raw() const { return run_; }

 private:
  static uint32_t number(Span<const Port> ports, std::string_view name) {
    for (std::size_t n = 0; n < ports.size(); ++n)
      if (ports[n].name_ == name) return static_cast<uint32_t>(n);
    throw Error(ICHOR_INTERNAL, "the stage asks for port `" + std::string(name) + "`, which it does not declare");
  }

  std::optional<Input> at(std::string_view port, uint32_t index) const {
    const ichor_value *value = run_->input(run_, number(inputs_, port), index);
    return value ? std::optional<Input>(Input(*value, port)) : std::nullopt;
  }

  static void check(ichor_status status, std::string_view port, const char *verb) {
    if (status == ICHOR_OUT_OF_MEMORY)
      throw Error(status, "no memory for output `" + std::string(port) + "`; raise the limit or resample");
    if (status != ICHOR_OK)
      throw Error(status, "the host would not " + std::string(verb) + " output `" + std::string(port) + "`");
  }

  void emit(std::string_view port, ichor_kind kind, std::string_view bytes) const {
    check(run_->emit_bytes(run_, number(outputs_, port), kind, bytes.data(), bytes.size()), port, "take");
  }

  template <class T>
  Span<T> make(std::string_view port, ichor_kind kind, ichor_unit unit, const Grid &grid, int64_t classes) const {
    ichor_geometry geometry{};
    geometry.size = sizeof geometry;
    std::memcpy(geometry.affine, grid.affine.data(), sizeof geometry.affine);
    const int64_t shape[] = {classes, grid.shape[2], grid.shape[1], grid.shape[0]};
    const int skip = classes ? 0 : 1;
    const ichor_value *out = nullptr;
    check(run_->new_tensor(run_, number(outputs_, port), kind, unit, detail::code<T>(), detail::bits<T>(),
                           4 - skip, shape + skip, &geometry, &out),
          port, "make");
    if (!out || !out->tensor.data) return {nullptr, 0};
    char *data = static_cast<char *>(out->tensor.data) + out->tensor.byte_offset;
    return {reinterpret_cast<T *>(data), grid.size() * static_cast<std::size_t>(classes ? classes : 1)};
  }

  const ichor_run *run_;
  Span<const Port> inputs_, outputs_;
};

/* ---------------------------------------------------------------- the manifest --------------- */

namespace detail {

/* Writes JSON while the plugin compiles: once to count, once to keep. */
struct Writer {
  char *out;
  std::size_t size = 0;

  constexpr void put(char c) {
    if (out) out[size] = c;
    ++size;
  }
  constexpr void raw(std::string_view text) {
    for (char c : text) put(c);
  }
  constexpr void quoted(std::string_view text) {
    put('"');
    for (char c : text) {
      if (c == '"' || c == '\\') put('\\');
      /* Line breaks in a description become spaces; other control characters have no place in one. */
      put(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
    put('"');
  }
  constexpr void member(std::string_view key, std::string_view text) {
    if (text.empty()) return;
    put(','), quoted(key), put(':'), quoted(text);
  }
  constexpr void member_raw(std::string_view key, std::string_view json) {
    if (json.empty()) return;
    put(','), quoted(key), put(':'), raw(json);
  }
  constexpr void list(std::string_view key, std::string_view words) {
    if (words.empty()) return;
    put(','), quoted(key), put(':'), put('[');
    for (std::size_t begin = 0; begin <= words.size();) {
      std::size_t end = words.find('|', begin);
      if (end == std::string_view::npos) end = words.size();
      if (begin) put(',');
      quoted(words.substr(begin, end - begin));
      begin = end + 1;
    }
    put(']');
  }

  constexpr void port(const Port &p) {
    raw("{\"name\":"), quoted(p.name_);
    list("kind", p.kind_), list("unit", p.unit_);
    member("grid", p.grid_), member("like", p.like_), member("doc", p.doc_);
    if (p.optional_) member_raw("optional", "true");
    if (p.many_) member_raw("many", "true");
    put('}');
  }
  constexpr void param(const Param &p) {
    quoted(p.name_), raw(":{\"type\":"), quoted(p.type_);
    member_raw("enum", p.choices_), member_raw("minimum", p.minimum_), member_raw("maximum", p.maximum_);
    member_raw("default", p.standard_), member("description", p.doc_), member("x-unit", p.unit_);
    put('}');
  }

  template <class Stage>
  constexpr void stage() {
    raw("{\"id\":"), quoted(Stage::about.id);
    member("version", Stage::about.version), member("summary", Stage::about.summary);
    raw(",\"inputs\":[");
    bool more = false;
    for (const Port &p : Stage::inputs) comma(more), port(p);
    raw("],\"outputs\":["), more = false;
    for (const Port &p : Stage::outputs) comma(more), port(p);
    raw("],\"params\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"), more = false;
    for (const Param &p : Stage::params) comma(more), param(p);
    raw("},\"required\":["), more = false;
    for (const Param &p : Stage::params)
      if (p.standard_.empty()) comma(more), quoted(p.name_);
    raw("]}}");
  }
  constexpr void comma(bool &more) {
    if (more) put(',');
    more = true;
  }
};

template <std::size_t N>
struct Bytes {
  char data[N];
};

/* ---------------------------------------------------------------- the C side ----------------- */

inline ichor_status fail(ichor_error *err, ichor_status status, std::string_view sentence) noexcept {
  if (err && err->message && err->cap) {
    std::size_t n = sentence.size() < err->cap ? sentence.size() : err->cap - 1;
    /* Not in the middle of a UTF-8 character. */
    while (n && n < sentence.size() && (sentence[n] & 0xC0) == 0x80) --n;
    std::memcpy(err->message, sentence.data(), n);
    err->message[n] = '\0';
  }
  return status;
}

/* Exceptions end here. */
template <class Body>
ichor_status guard(ichor_error *err, Body &&body) noexcept {
  try {
    body();
    return ICHOR_OK;
  } catch (const Error &e) {
    return fail(err, e.status(), e.what());
  } catch (const std::bad_alloc &) {
    return fail(err, ICHOR_OUT_OF_MEMORY, "not enough memory");
  } catch (const std::exception &e) {
    fail(err, ICHOR_PANICKED, "a bug in the plugin");
    if (err && err->message && err->cap > 32) {
      ichor_error rest = {sizeof rest, err->cap - 21, err->message + 21};
      std::memcpy(err->message + 19, ": ", 2);
      fail(&rest, ICHOR_PANICKED, e.what());
    }
    return ICHOR_PANICKED;
  } catch (...) {
    return fail(err, ICHOR_PANICKED, "a bug in the plugin: an exception that is no std::exception");
  }
}

struct Instance {
  bool poisoned = false;
  virtual ~Instance() = default;
  virtual void run(const ichor_run *run) = 0;
};

template <class Stage>
struct InstanceOf final : Instance {
  Stage stage;
  explicit InstanceOf(const Params &params) : stage(params) {}
  void run(const ichor_run *run) override {
    Context context(run, {std::data(Stage::inputs), std::size(Stage::inputs)},
                    {std::data(Stage::outputs), std::size(Stage::outputs)});
    stage.run(context);
  }
};

/* The entry points of a plugin with these stages. */
template <class... Stages>
struct Plugin {
  static constexpr std::size_t write(char *out, std::string_view name, std::string_view version) {
    Writer w{out};
    bool more = false;
    w.raw("{\"ichor\":1,\"name\":"), w.quoted(name), w.member("version", version), w.raw(",\"stages\":[");
    ((w.comma(more), w.template stage<Stages>()), ...);
    w.raw("]}");
    return w.size;
  }
  template <std::size_t N>
  static constexpr Bytes<N> manifest(std::string_view name, std::string_view version) {
    Bytes<N> out{};
    write(out.data, name, version);
    return out;
  }

  static ichor_status create(ichor_str id, ichor_str params, ichor_stage **out, ichor_error *err) noexcept {
    return guard(err, [&] {
      Instance *made = nullptr;
      ((view(id) == Stages::about.id ? (made = new InstanceOf<Stages>(Params(view(params))), true) : false) || ...);
      if (!made) throw Error(ICHOR_BAD_PARAMS, "this plugin has no stage `" + std::string(view(id)) + "`");
      *out = reinterpret_cast<ichor_stage *>(made);
    });
  }
  static ichor_status run(ichor_stage *stage, const ichor_run *run, ichor_error *err) noexcept {
    Instance *instance = reinterpret_cast<Instance *>(stage);
    ichor_status status = guard(err, [&] {
      if (instance->poisoned) throw Error(ICHOR_INTERNAL, "this instance failed before; make a new one");
      instance->run(run);
    });
    if (status == ICHOR_PANICKED) instance->poisoned = true;
    return status;
  }
  static void destroy(ichor_stage *stage) noexcept { delete reinterpret_cast<Instance *>(stage); }
};

}  // namespace detail
}  // namespace ichor

/* Exports the plugin, once, outside of every namespace: its name, its version, its stages' classes. */
#define ICHOR_PLUGIN(name, version, ...)                                                                   \
  namespace {                                                                                              \
  using ichor_plugin_ = ichor::detail::Plugin<__VA_ARGS__>;                                                \
  constexpr std::size_t ichor_manifest_size_ = ichor_plugin_::write(nullptr, name, version);               \
  __attribute__((section(ICHOR_MANIFEST_SECTION), used)) constexpr ichor::detail::Bytes<ichor_manifest_size_> \
      ichor_manifest_ = ichor_plugin_::manifest<ichor_manifest_size_>(name, version);                      \
  }                                                                                                        \
  constexpr ichor_plugin ichor_plugin_v1 = {ICHOR_MAGIC,                                                   \
                                                         ICHOR_ABI_MAJOR,                                  \
                                                         ICHOR_TARGET_MINOR,                               \
                                                         sizeof(ichor_plugin),                             \
                                                         0,                                                \
                                                         {ichor_manifest_.data, sizeof ichor_manifest_},   \
                                                         nullptr,                                          \
                                                         ichor_plugin_::create,                            \
                                                         nullptr,                                          \
                                                         ichor_plugin_::run,                               \
                                                         ichor_plugin_::destroy,                           \
                                                         nullptr};                                         \
  static_assert(true, "")

#endif /* ICHOR_HPP */

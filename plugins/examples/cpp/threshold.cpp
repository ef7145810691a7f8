// Keeps the voxels of a CT between two values: the example stage in C++, on ichor.hpp.

#include <ichor.hpp>

namespace {

// Voxels that a thread gets at a time: large enough that handing them out costs nothing.
constexpr std::size_t grain = 1 << 16;

class Threshold {
 public:
  static constexpr ichor::About about{"threshold-cpp", "1.0.0", "Keeps the voxels of a CT between two values."};
  static constexpr ichor::Port inputs[] = {ichor::Port("ct", "volume").unit("HU").doc("CT")};
  static constexpr ichor::Port outputs[] = {
      ichor::Port("mask", "mask").grid("ct").doc("1 where lower <= HU <= upper")};
  static constexpr ichor::Param params[] = {
      ichor::Param("lower", "number").standard("50").unit("HU").doc("Lowest value kept."),
      ichor::Param("upper", "number").standard("100").unit("HU").doc("Highest value kept.")};

  explicit Threshold(const ichor::Params &params)
      : lower_(params.number("lower")), upper_(params.number("upper")) {
    if (lower_ > upper_) throw ichor::Error(ICHOR_BAD_PARAMS, "`lower` is above `upper`, so no voxel would be kept");
  }

  void run(ichor::Context &run) const {
    const ichor::Input ct = run.input("ct");
    const ichor::Span<uint8_t> mask = run.new_mask("mask", ct.grid());
    ct.visit([&](auto hu) {
      run.parallel_for(hu.size(), grain, [&](std::size_t begin, std::size_t end) {
        if (run.cancelled()) return;
        for (std::size_t n = begin; n < end; ++n) mask[n] = lower_ <= hu[n] && hu[n] <= upper_;
      });
    });
    run.check_cancelled();
  }

 private:
  double lower_, upper_;
};

}  // namespace

ICHOR_PLUGIN("threshold-cpp", "1.0.0", Threshold);

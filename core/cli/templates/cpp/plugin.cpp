// The plugin `@NAME@`: one stage, to be made into yours. ichor.hpp says how stages are written in C++.

#include <ichor.hpp>

namespace {

// Voxels that a thread gets at a time.
constexpr std::size_t grain = 1 << 16;

class Above {
 public:
  static constexpr ichor::About about{"@NAME@", "0.1.0", "Marks the voxels of a CT that are above a value."};
  static constexpr ichor::Port inputs[] = {ichor::Port("ct", "volume").unit("HU").doc("CT")};
  static constexpr ichor::Port outputs[] = {
      ichor::Port("mask", "mask").grid("ct").doc("1 where the CT is above the value")};
  static constexpr ichor::Param params[] = {ichor::Param("above", "number")
                                                .standard("50")
                                                .minimum("-1024")
                                                .maximum("3071")
                                                .unit("HU")
                                                .doc("Voxels must be above this.")};

  explicit Above(const ichor::Params &params) : above_(params.number("above")) {}

  void run(ichor::Context &run) const {
    const ichor::Input ct = run.input("ct");
    const ichor::Span<uint8_t> mask = run.new_mask("mask", ct.grid());
    ct.visit([&](auto hu) {
      run.parallel_for(hu.size(), grain, [&](std::size_t begin, std::size_t end) {
        for (std::size_t n = begin; n < end; ++n) mask[n] = hu[n] > above_;
      });
    });
    run.check_cancelled();
  }

 private:
  double above_;
};

}  // namespace

ICHOR_PLUGIN("@NAME@", "0.1.0", Above);

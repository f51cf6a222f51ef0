// How fast the decoders are: rows a second of 5 columns, batches of 1,000 rows.
#include "bytes/cursor.h"
#include "columnar/decode_line_protocol.h"
#include "columnar/decode_msgpack.h"

#include <benchmark/benchmark.h>

#include <string>

namespace millrace::columnar {
namespace {

constexpr uint32_t kRows = 1000;
constexpr int64_t kStart = 1'700'000'000'000'000;

void put_text(bytes::Writer& out, std::string_view text) {
  out.u8(static_cast<uint8_t>(0xa0U | text.size()));
  out.text(text);
}

void put_head(bytes::Writer& out, std::string_view column) {
  put_text(out, column);
  out.u8(0xdc);
  out.be<uint16_t>(kRows);
}

bytes::Writer msgpack_body() {
  bytes::Writer out;
  out.u8(0x82);
  put_text(out, "m");
  put_text(out, "cpu");
  put_text(out, "columns");
  out.u8(0x85);
  put_head(out, "time");
  for (uint32_t row = 0; row < kRows; ++row) {
    out.u8(0xcf);
    out.be<int64_t>(kStart + row);
  }
  put_head(out, "host");
  for (uint32_t row = 0; row < kRows; ++row) {
    put_text(out, fmt::format("server{:03}", row * 7 % 1000));
  }
  for (const auto* column : {"value", "cpu_idle", "cpu_user"}) {
    put_head(out, column);
    for (uint32_t row = 0; row < kRows; ++row) {
      out.u8(0xcb);
      out.f64_be(row * 0.25);
    }
  }
  return out;
}

void decode_msgpack_rows(benchmark::State& state) {
  const bytes::Writer body = msgpack_body();
  for (auto _ : state) {
    auto batch = decode_msgpack(body.view(), {});
    if (!batch.ok()) {
      state.SkipWithError(batch.error().message.c_str());
      break;
    }
    benchmark::DoNotOptimize(batch->batches.data());
  }
  state.SetItemsProcessed(state.iterations() * int64_t{kRows});
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}

void decode_lines(benchmark::State& state) {
  std::string body;
  for (uint32_t row = 0; row < kRows; ++row) {
    body += fmt::format("cpu,host=server{:03} value={},cpu_idle={},cpu_user={} {}\n",
                        row * 7 % 1000, row * 0.25, row * 0.125, row * 0.01, (kStart + row) * 1000);
  }
  for (auto _ : state) {
    auto batches = decode_line_protocol(body, Precision::kNs, ArrivalTime());
    if (!batches.ok() || batches->rows != kRows) {
      state.SkipWithError("rows are missing");
      break;
    }
    benchmark::DoNotOptimize(batches->batches.data());
  }
  state.SetItemsProcessed(state.iterations() * int64_t{kRows});
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}

BENCHMARK(decode_msgpack_rows);
BENCHMARK(decode_lines);

}  // namespace
}  // namespace millrace::columnar

BENCHMARK_MAIN();

#include "objects/cached_block.h"

#include "bytes/buffer.h"
#include "bytes/test_hex.h"
#include "objects/object_store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace millrace::objects {
namespace {

using Bytes = std::vector<std::byte>;

Bytes encode(const CachedBlock& block) {
  Bytes file = block.encode_head();
  file.insert(file.end(), block.content.begin(), block.content.end());
  return file;
}

CachedBlock example() {
  return {.object = "segments/mixed/a.seg",
          .object_bytes = 0x100005,
          .position = 0x100000,
          .content = bytes::as_bytes("hello")};
}

TEST(CachedBlock, TheExampleOfTheFormatIsWhatIsWritten) {
  std::ifstream in(MILLRACE_SOURCE_DIR "/docs/formats/cache.md");
  std::stringstream document;
  document << in.rdbuf();
  const std::string lines = bytes::hex_lines(encode(example()));
  EXPECT_NE(document.str().find("```\n" + lines + "```"), std::string::npos) << lines;
}

TEST(CachedBlock, ComesBackAsItWas) {
  const Bytes file = encode(example());
  EXPECT_EQ(file.size(), example().file_bytes());
  const auto block = CachedBlock::parse(file);
  ASSERT_TRUE(block.ok()) << block.error().message;
  EXPECT_EQ(block->object, example().object);
  EXPECT_EQ(block->object_bytes, example().object_bytes);
  EXPECT_EQ(block->position, example().position);
  EXPECT_EQ(bytes::as_text(block->content), "hello");
}

TEST(CachedBlock, EveryBitIsChecked) {
  const Bytes file = encode(example());
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes changed = file;
    changed[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(CachedBlock::parse(changed).ok()) << bit;
  }
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(CachedBlock::parse(std::span(file).first(size)).ok()) << size;
  }
  Bytes longer = file;
  longer.push_back({});
  EXPECT_FALSE(CachedBlock::parse(longer).ok());
}

TEST(CachedBlock, ContradictionsAreRefusedThoughTheirCrcIsRight) {
  const auto code_of = [](const CachedBlock& block) {
    return CachedBlock::parse(encode(block)).error().code;
  };
  auto block = example();
  block.position += 1;  // ends behind the object
  EXPECT_EQ(code_of(block), Code::kCorrupt);
  block.position = UINT64_MAX - 2;
  EXPECT_EQ(code_of(block), Code::kCorrupt);
  block = example();
  block.content = {};
  EXPECT_EQ(code_of(block), Code::kCorrupt);
  block = example();
  block.object = "";
  EXPECT_EQ(code_of(block), Code::kCorrupt);
  const std::string long_name(kMaxNameBytes + 1, 'n');
  block.object = long_name;
  EXPECT_EQ(code_of(block), Code::kCorrupt);
}

TEST(CachedBlock, AnotherVersionIsRefusedByNumber) {
  Bytes file = encode(example());
  file[4] = std::byte{2};
  const auto block = CachedBlock::parse(file);
  EXPECT_EQ(block.error().code, Code::kUnsupported);
  EXPECT_NE(block.error().message.find("format 2"), std::string::npos) << block.error().message;
}

}  // namespace
}  // namespace millrace::objects

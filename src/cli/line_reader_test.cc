#include "cli/line_reader.h"

#include "cli/interrupt.h"
#include "net/bound_socket.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

namespace millrace::cli {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read = net::Descriptor(ends[0]);
    write = net::Descriptor(ends[1]);
  }

  void close() { write = net::Descriptor(); }

  void put(std::string_view text) const {
    EXPECT_EQ(::write(write.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  net::Descriptor read;
  net::Descriptor write;
};

std::vector<std::string> all_lines(LineReader& reader) {
  std::vector<std::string> lines;
  while (true) {
    const auto line = reader.next();
    EXPECT_TRUE(line.ok());
    if (!line.ok() || !*line) {
      return lines;
    }
    lines.emplace_back(**line);
  }
}

TEST(LineReader, SplitsAtNewlinesWhereverReadsEnd) {
  Pipe in;
  const Pipe stop;
  const std::string longest(70'000, 'x');  // more than one read
  std::thread writer([&] {
    for (const std::string& part :
         {std::string("a\n\nb"), "c\n" + longest, std::string("\nlast")}) {
      in.put(part);
    }
    in.close();
  });
  LineReader reader(in.read.get(), "in", stop.read.get());
  EXPECT_EQ(all_lines(reader), (std::vector<std::string>{"a", "", "bc", longest, "last"}));
  EXPECT_TRUE(all_lines(reader).empty());  // and stays at the end
  writer.join();
}

TEST(LineReader, StopsWithoutHalfALine) {
  const Pipe in;
  const Pipe stop;
  in.put("whole\nhalf");
  LineReader reader(in.read.get(), "in", stop.read.get());
  EXPECT_EQ(**reader.next(), "whole");
  stop.put("x");
  EXPECT_EQ(*reader.next(), std::nullopt);
}

TEST(LineReader, SaysWhatCannotBeRead) {
  const net::Descriptor directory(::open("/", O_RDONLY | O_CLOEXEC));
  const Pipe quiet;
  LineReader of_directory(directory.get(), "/", quiet.read.get());
  EXPECT_EQ(of_directory.next().error().message, "read(2) of /: Is a directory");
}

TEST(Interrupt, SetsAFlagAndADescriptorOnce) {
  const Interrupt interrupt;
  EXPECT_FALSE(interrupt.came());
  ASSERT_EQ(::raise(SIGINT), 0);
  EXPECT_TRUE(interrupt.came());
  char byte = 0;
  EXPECT_EQ(::read(interrupt.descriptor(), &byte, 1), 1);
}

TEST(Interrupt, LeavesTheSecondToTheSystem) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Interrupt interrupt;
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace millrace::cli

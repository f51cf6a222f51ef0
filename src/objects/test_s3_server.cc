#include "objects/test_s3_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace millrace::objects {
namespace {

constexpr size_t kMaster = 0;
constexpr size_t kVolume = 1;
constexpr size_t kFiler = 2;
constexpr size_t kS3 = 3;
constexpr size_t kAdmin = 4;
constexpr size_t kGrpc = 5;            // behind its HTTP port
constexpr int kGrpcDistance = 10'000;  // some parts of the server look for another's there

class Socket {
 public:
  Socket() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}

  ~Socket() { ::close(descriptor_); }

  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// 0 when it is taken.
uint16_t bind_port(const Socket& socket, uint16_t port) {
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

/// Ports that were free a moment ago, each with the one for gRPC behind it.
std::array<uint16_t, 2 * kGrpc> free_ports() {
  constexpr int kMost = 65'535;
  std::array<uint16_t, 2 * kGrpc> ports{};
  std::vector<std::unique_ptr<Socket>> held;  // until all are chosen
  for (size_t i = 0; i < kGrpc;) {
    auto http = std::make_unique<Socket>();
    auto grpc = std::make_unique<Socket>();
    const int port = bind_port(*http, 0);
    const int other = port + kGrpcDistance <= kMost ? port + kGrpcDistance : port - kGrpcDistance;
    ports.at(i) = static_cast<uint16_t>(std::min(port, other));
    ports.at(i + kGrpc) = static_cast<uint16_t>(std::max(port, other));
    if (port != 0 && bind_port(*grpc, static_cast<uint16_t>(other)) != 0) {
      ++i;
    }
    held.push_back(std::move(http));
    held.push_back(std::move(grpc));
  }
  return ports;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (auto& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::string http_get(uint16_t port, const std::string& path) {
  const Socket socket;
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in address = loopback(port);
  const std::string request =
      fmt::format("GET {} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n", path);
  std::string answer;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    return answer;
  }
  std::array<char, 4096> part{};
  ssize_t n = 0;
  while ((n = ::recv(socket.get(), part.data(), part.size(), 0)) > 0) {
    answer.append(part.data(), static_cast<size_t>(n));
  }
  return answer;
}

Result<std::unique_ptr<S3Server>> S3Server::start() {
  if (::access(MILLRACE_WEED, X_OK) != 0) {
    return make_error(Code::kIo, "no {}: run tools/setup.sh", MILLRACE_WEED);
  }
  std::unique_ptr<S3Server> server(new S3Server);
  std::string directory = (std::filesystem::temp_directory_path() / "millrace-s3-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) {
    return errno_error("mkdtemp(3)", directory, errno);
  }
  server->directory_ = directory;
  Status status;
  constexpr int kTries = 3;  // another process may take a port in between
  for (int i = 0; i < kTries; ++i) {
    server->ports_ = free_ports();
    status = server->run();
    if (status.ok()) {
      return server;
    }
    server->stop();
    std::filesystem::remove_all(directory + "/data");
  }
  return std::move(status).error();
}

S3Server::~S3Server() {
  stop();
  if (!directory_.empty()) {
    std::filesystem::remove_all(directory_);
  }
}

void S3Server::stop() {
  end_process();
  // The server removes these when it is asked to end, which takes it seconds.
  for (const auto& [part, index] :
       {std::pair{"master", kMaster}, std::pair{"volume", kVolume}, std::pair{"filer", kFiler},
        std::pair{"s3", kS3}, std::pair{"admin", kAdmin}}) {
    ::unlink(fmt::format("/tmp/seaweedfs-{}-grpc-{}.sock", part, ports_.at(index + kGrpc)).c_str());
  }
}

void S3Server::end_process() {
  if (pid_ != 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
}

Status S3Server::start_again() {
  return run();
}

std::string S3Server::endpoint() const {
  return fmt::format("127.0.0.1:{}", ports_.at(kS3));
}

Status S3Server::run() {
  const std::string data = directory_ + "/data";
  std::filesystem::create_directories(data);
  std::vector<std::string> words = {MILLRACE_WEED,
                                    "-logtostderr",
                                    "mini",
                                    "-dir=" + data,
                                    "-ip=127.0.0.1",
                                    "-ip.bind=127.0.0.1",
                                    fmt::format("-bucket={}", kBucket),
                                    "-s3.autoCreateBucket=false",
                                    "-master.telemetry=false",
                                    "-webdav=false",
                                    "-admin.ui=false",
                                    "-s3.port.iceberg=0",
                                    "-s3.port.lance=0",
                                    fmt::format("-filer.localSocket={}/filer.sock", data),
                                    fmt::format("-s3.localSocket={}/s3.sock", data)};
  for (const auto& [part, index] :
       {std::pair{"master", kMaster}, std::pair{"volume", kVolume}, std::pair{"filer", kFiler},
        std::pair{"s3", kS3}, std::pair{"admin", kAdmin}}) {
    words.push_back(fmt::format("-{}.port={}", part, ports_.at(index)));
    words.push_back(fmt::format("-{}.port.grpc={}", part, ports_.at(index + kGrpc)));
  }
  std::vector<std::string> environment = {fmt::format("AWS_ACCESS_KEY_ID={}", kAccessKey),
                                          fmt::format("AWS_SECRET_ACCESS_KEY={}", kSecretKey),
                                          "HOME=" + directory_, "GOMAXPROCS=2"};
  const auto arguments = pointers_to(words);
  const auto variables = pointers_to(environment);
  const std::string log = directory_ + "/log";
  pid_ = ::fork();
  if (pid_ == 0) {  // between fork and exec: system calls alone
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (::chdir(directory_.c_str()) == 0) {
      ::execve(arguments[0], arguments.data(), variables.data());
    }
    ::_exit(127);
  }
  if (pid_ < 0) {
    pid_ = 0;
    return errno_error("fork(2)", MILLRACE_WEED, errno);
  }
  return await_bucket();
}

Status S3Server::await_bucket() {
  constexpr auto kPatience = std::chrono::seconds(60);
  constexpr auto kPause = std::chrono::milliseconds(20);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      return make_error(Code::kIo, "the S3 server ended: {}", said_last());
    }
    const auto says = [this](size_t part, const std::string& path, std::string_view text) {
      return http_get(ports_.at(part), path).find(text) != std::string::npos;
    };
    if (says(kS3, "/healthz", " 200 OK") &&
        says(kFiler, fmt::format("/buckets/{}/", kBucket), " 200 OK") &&
        says(kMaster, fmt::format("/dir/assign?collection={}", kBucket), "\"fid\"")) {
      return {};
    }
    std::this_thread::sleep_for(kPause);
  }
  return make_error(Code::kIo, "the S3 server does not become ready: {}", said_last());
}

std::string S3Server::said_last() const {
  constexpr size_t kMost = 2000;
  std::ifstream file(directory_ + "/log");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return text.substr(text.size() > kMost ? text.size() - kMost : 0);
}

std::vector<std::string> S3Server::unfinished_uploads() const {
  const std::string folder = fmt::format("/buckets/{}/.uploads/", kBucket);
  const std::string answer = http_get(ports_.at(kFiler), folder + "?limit=1000");
  const std::string mark = "\"FullPath\":\"" + folder;
  std::vector<std::string> ids;
  for (size_t at = answer.find(mark); at != std::string::npos; at = answer.find(mark, at + 1)) {
    const size_t from = at + mark.size();
    ids.push_back(answer.substr(from, answer.find('"', from) - from));
  }
  return ids;
}

}  // namespace millrace::objects

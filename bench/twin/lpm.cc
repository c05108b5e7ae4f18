// Longest-prefix match as DPDK does it: librte_fib's DIR-24-8 for IPv4, its trie for IPv6, with the prefixes and keys
// of a file.
//
//   lpm 4|6 FILE SECONDS BITS
//
// FILE holds int32 words: the numbers of prefixes and of keys, for each prefix its address (1 or 4 words, the first
// bits first), length and value, then the keys. BITS is the widest vector that DPDK may use: 256 is its default, and
// its look-up is then plain code; with 512 it uses AVX-512. Keys are looked up in bursts of 64, round by round until
// that much CPU time is used. Prints one line of JSON: look-ups per microsecond, and the sum of the values of all keys,
// to compare the answers.
#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <string>
#include <vector>

static constexpr int kBurst = 64;
static constexpr int kAddressBytes = RTE_FIB6_IPV6_ADDR_SIZE;

[[noreturn]] static void die(const char* action) {
  fprintf(stderr, "cannot %s\n", action);
  exit(1);
}

/** CPU time of this process. */
static double seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static std::vector<int32_t> wordsOf(const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file) die("open the file of prefixes");
  fseek(file, 0, SEEK_END);
  std::vector<int32_t> words(ftell(file) / 4);
  rewind(file);
  if (fread(words.data(), 4, words.size(), file) != words.size()) die("read the file of prefixes");
  fclose(file);
  return words;
}

/** Starts DPDK without huge pages or devices, so that no machine has to be set up for it. */
static void start(const char* bits) {
  std::string simd = std::string("--force-max-simd-bitwidth=") + bits;
  const char* argv[] = {"lpm",          "--no-huge",     "-m",            "2048",         "--no-pci",
                        "--no-telemetry", "--no-shconf", "--log-level=1", "--lcores=0@1", simd.c_str()};
  if (rte_eal_init(sizeof argv / sizeof *argv, const_cast<char**>(argv)) < 0) die("start DPDK");
}

/**
 * Looks all keys up again and again, and prints how fast. `lookup` takes the place of the first of a burst, and where
 * its answers go.
 */
template <typename Lookup>
static void measure(int keys, double time, Lookup lookup) {
  std::vector<uint64_t> values(keys);
  const auto round = [&] {
    for (int at = 0; at + kBurst <= keys; at += kBurst) lookup(at, &values[at]);
  };
  round();
  uint64_t sum = 0;
  for (uint64_t value : values) sum += value;
  const double begin = seconds();
  double end = begin;
  uint64_t done = 0;
  for (; end < begin + time; end = seconds(), done += keys / kBurst * kBurst) round();
  printf("{\"value\":%.3f,\"sum\":%llu}\n", done / (end - begin) / 1e6, static_cast<unsigned long long>(sum));
}

static void measureIpv4(std::vector<int32_t>& words, double time) {
  rte_fib_conf conf = {};
  conf.type = RTE_FIB_DIR24_8;
  conf.max_routes = 1 << 21;
  conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
  conf.dir24_8.num_tbl8 = 1 << 12;
  rte_fib* fib = rte_fib_create("lpm", -1, &conf);
  if (!fib) die("make a table");
  const int32_t* p = &words[2];
  for (int i = 0; i < words[0]; i++, p += 3)
    if (rte_fib_add(fib, p[0], p[1], p[2])) die("add a prefix");
  uint32_t* keys = reinterpret_cast<uint32_t*>(const_cast<int32_t*>(p));
  measure(words[1], time, [&](int at, uint64_t* out) { rte_fib_lookup_bulk(fib, keys + at, out, kBurst); });
}

static void toBytes(const int32_t* words, uint8_t* bytes) {
  for (int i = 0; i < kAddressBytes; i++) bytes[i] = uint32_t(words[i >> 2]) >> (24 - 8 * (i & 3));
}

static void measureIpv6(std::vector<int32_t>& words, double time) {
  rte_fib6_conf conf = {};
  conf.type = RTE_FIB6_TRIE;
  conf.max_routes = 1 << 20;
  conf.trie.nh_sz = RTE_FIB6_TRIE_4B;
  conf.trie.num_tbl8 = 1 << 18;
  rte_fib6* fib = rte_fib6_create("lpm", -1, &conf);
  if (!fib) die("make a table");
  const int32_t* p = &words[2];
  for (int i = 0; i < words[0]; i++, p += 6) {
    uint8_t address[kAddressBytes];
    toBytes(p, address);
    if (rte_fib6_add(fib, address, p[4], p[5])) die("add a prefix");
  }
  std::vector<uint8_t> keys(size_t(words[1]) * kAddressBytes);
  for (int i = 0; i < words[1]; i++) toBytes(p + 4 * i, &keys[size_t(i) * kAddressBytes]);
  measure(words[1], time, [&](int at, uint64_t* out) {
    auto* burst = reinterpret_cast<uint8_t(*)[kAddressBytes]>(&keys[size_t(at) * kAddressBytes]);
    rte_fib6_lookup_bulk(fib, burst, out, kBurst);
  });
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: lpm 4|6 FILE SECONDS BITS\n"), 2;
  std::vector<int32_t> words = wordsOf(argv[2]);
  start(argv[4]);
  if (!strcmp(argv[1], "4")) measureIpv4(words, atof(argv[3]));
  else measureIpv6(words, atof(argv[3]));
}

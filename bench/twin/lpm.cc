// Longest-prefix match as DPDK does it, with the prefixes and keys of a file: librte_fib's DIR-24-8 for IPv4 and its
// trie for IPv6, or the older librte_lpm.
//
//   lpm 4|6 FILE SECONDS BITS
//
// FILE holds int32 words: the numbers of prefixes and of keys, for each prefix its address (1 or 4 words, the first
// bits first), length and value, then the keys. BITS is the widest vector that DPDK may use: 256 is its default, and
// its look-up is then plain code; with 512 it uses AVX-512; 0 stands for librte_lpm. Keys are looked up in bursts of 64, round by round until
// that much CPU time is used. Prints one line of JSON: look-ups per microsecond, and the sum of the values of all keys,
// to compare the answers.
#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>
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

/** A value of librte_lpm with its flag for "found"; 0 where there is none. */
static uint64_t found(uint32_t value) {
  return value & RTE_LPM_LOOKUP_SUCCESS ? value & 0xffffff : 0;
}

static void measureLpm(std::vector<int32_t>& words, double time) {
  rte_lpm_config conf = {};
  conf.max_rules = 1 << 21;
  conf.number_tbl8s = 1 << 12;
  rte_lpm* lpm = rte_lpm_create("lpm", -1, &conf);
  if (!lpm) die("make a table");
  const int32_t* p = &words[2];
  for (int i = 0; i < words[0]; i++, p += 3)
    if (rte_lpm_add(lpm, p[0], p[1], p[2])) die("add a prefix");
  uint32_t* keys = reinterpret_cast<uint32_t*>(const_cast<int32_t*>(p));
  measure(words[1], time, [&](int at, uint64_t* out) {
    uint32_t values[kBurst];
    rte_lpm_lookup_bulk(lpm, keys + at, values, kBurst);
    for (int i = 0; i < kBurst; i++) out[i] = found(values[i]);
  });
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

static void measureLpm6(std::vector<int32_t>& words, double time) {
  rte_lpm6_config conf = {};
  conf.max_rules = 1 << 20;
  conf.number_tbl8s = 1 << 18;
  rte_lpm6* lpm = rte_lpm6_create("lpm", -1, &conf);
  if (!lpm) die("make a table");
  const int32_t* p = &words[2];
  for (int i = 0; i < words[0]; i++, p += 6) {
    uint8_t address[kAddressBytes];
    toBytes(p, address);
    if (rte_lpm6_add(lpm, address, p[4], p[5])) die("add a prefix");
  }
  std::vector<uint8_t> keys(size_t(words[1]) * kAddressBytes);
  for (int i = 0; i < words[1]; i++) toBytes(p + 4 * i, &keys[size_t(i) * kAddressBytes]);
  measure(words[1], time, [&](int at, uint64_t* out) {
    int32_t values[kBurst];
    auto* burst = reinterpret_cast<uint8_t(*)[kAddressBytes]>(&keys[size_t(at) * kAddressBytes]);
    rte_lpm6_lookup_bulk_func(lpm, burst, values, kBurst);
    for (int i = 0; i < kBurst; i++) out[i] = values[i] < 0 ? 0 : values[i];
  });
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: lpm 4|6 FILE SECONDS BITS\n"), 2;
  std::vector<int32_t> words = wordsOf(argv[2]);
  const bool isIpv4 = !strcmp(argv[1], "4"), isLpm = !strcmp(argv[4], "0");
  start(isLpm ? "256" : argv[4]);
  const auto run = isIpv4 ? (isLpm ? measureLpm : measureIpv4) : (isLpm ? measureLpm6 : measureIpv6);
  run(words, atof(argv[3]));
}

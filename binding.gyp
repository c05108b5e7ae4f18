{
  "targets": [
    {
      # The native shim (native/, declared in src/io/shim.ts): build/Release/sluice.node
      "target_name": "sluice",
      "sources": [
        "native/addon.cc",
        "native/attach.cc",
        "native/datapath.cc",
        "native/environment.cc",
        "native/event.cc",
        "native/netlink.cc",
        "native/netns.cc",
        "native/packet.cc",
        "native/packet_port.cc",
        "native/packet_ring.cc",
        "native/port.cc",
        "native/process.cc",
        "native/ring.cc",
        "native/socket.cc",
        "native/tap.cc",
        "native/tap_port.cc",
        "native/watch.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "_GNU_SOURCE"],
      "cflags_cc": ["-std=c++17", "-O3", "-fno-exceptions", "-Wall", "-Wextra"],
      "conditions": [["OS!='linux'", {"type": "none"}]]
    }
  ]
}

// AF_PACKET sockets: opening them. Receiving and sending: port.h.
#pragma once
#include <linux/if_packet.h>
#include <napi.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "layout.h"

// Message headers for one recvmmsg or sendmmsg. Its owner is the Environment, so that nothing is
// allocated per burst.
struct PacketBatch {
  mmsghdr messages[BURST];
  iovec parts[BURST][3];
  // Where recvmsg puts a tpacket_auxdata.
  alignas(cmsghdr) uint8_t control[BURST][CMSG_SPACE(sizeof(tpacket_auxdata))];
};

Napi::Value packetOpen(const Napi::CallbackInfo& info);
Napi::Value packetHasVnet(const Napi::CallbackInfo& info);
Napi::Value packetIsUp(const Napi::CallbackInfo& info);

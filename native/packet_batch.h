// Message headers for one recvmmsg or sendmmsg, kept so that nothing is allocated per burst.
#pragma once
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "layout.h"

struct PacketBatch {
  mmsghdr messages[BURST];
  iovec parts[BURST][3];
  // Where recvmsg puts a tpacket_auxdata.
  alignas(cmsghdr) uint8_t control[BURST][CMSG_SPACE(sizeof(tpacket_auxdata))];
};

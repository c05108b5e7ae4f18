// Messages for one sendmmsg, kept so that nothing is allocated per burst.
#pragma once
#include <sys/socket.h>

#include "outgoing.h"

struct PacketBatch {
  mmsghdr messages[BURST];
  Outgoing frames[BURST];
};

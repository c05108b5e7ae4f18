// The names that src/io/shim.ts declares. Control calls are wrapped; the data path's are bare Node-API.
#include <napi.h>

#include "attach.h"
#include "datapath.h"
#include "event.h"
#include "netlink.h"
#include "netns.h"
#include "packet.h"
#include "process.h"
#include "socket.h"
#include "tap.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* state = new Instance;
  env.SetInstanceData(state);
  const auto control = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, call, name, state));
  };
  const auto data = [&](const char* name, napi_callback call) {
    napi_value function = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, state, &function);
    exports.Set(name, function);
  };
  control("align", align);
  control("openNamespace", openNamespace);
  control("newNamespace", newNamespace);
  control("enterNamespace", enterNamespace);
  control("close", closeFd);
  control("netlink", netlink);
  control("tapOpen", tapOpen);
  control("tapName", tapName);
  control("tapOffload", tapOffload);
  control("tapPersist", tapPersist);
  control("tapCarrier", tapCarrier);
  control("tapIsUp", tapIsUp);
  control("packetOpen", packetOpen);
  control("packetHasVnet", packetHasVnet);
  control("packetIsUp", packetIsUp);
  control("packetDrops", packetDrops);
  control("socketIoctl", socketIoctl);
  control("ethtool", ethtool);
  control("socket", makeSocket);
  control("eventfd", makeEventfd);
  control("wake", wake);
  control("runInUserNamespace", runInUserNamespace);
  control("pin", pin);
  control("threadCpu", threadCpu);
  control("attach", attach);
  data("watch", exportWatch);
  data("addPort", exportAddPort);
  data("removePort", exportRemovePort);
  data("rx", exportRx);
  data("tx", exportTx);
  data("poll", exportPoll);
  return exports;
}

NODE_API_MODULE(sluice, init)

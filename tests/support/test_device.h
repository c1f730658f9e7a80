// A device for tests on any machine: LibTorch's PrivateUse1 over the host's memory. Every operator
// runs on the CPU, but fails for tensors of two devices, as on a GPU. Reading a tensor's memory
// without a check of its device is a segmentation fault.
#pragma once

#include "patina/place.h"

namespace patina {

/// "privateuseone:0". Every program linked with this file has the device.
Place test_place();

}  // namespace patina

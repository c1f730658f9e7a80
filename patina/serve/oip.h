// The Open Inference Protocol, also called KServe V2: tensors in JSON, and behind it the binary
// extension of Triton's.
#pragma once

#include <string>
#include <vector>

#include "patina/serve/samples.h"

namespace patina::serve {

/// A request to a model that chooses among classes. Its one input is BYTES [N]: image files, in
/// JSON as base64, or texts; or pixels [N,3,H,W], UINT8 or FP32 in [0,1]. The parameters "top" and
/// "task" are as in PredictRequest.
struct InferRequest {
  struct Output {
    std::string name;  // "class" or "score"
    bool binary = false;
  };
  std::string id;  // "": none
  PredictRequest asked;
  std::vector<Output> outputs;
};

/// Throws HttpError.
InferRequest parse_infer(const Request& request, Taken taken, const SampleLimits& limits);

/// A class and its score; of every sample of a response there are equally many.
struct Scored {
  std::string name;
  double score = 0;
};

/// The outputs that were asked for: "class" BYTES [N,top] and "score" FP32 [N,top].
Response infer_response(const InferRequest& request, const std::string& model,
                        const std::vector<std::vector<Scored>>& found);

Json server_metadata();
Json model_metadata(const std::string& model, Taken taken);

}  // namespace patina::serve

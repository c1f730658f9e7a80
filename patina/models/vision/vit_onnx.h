// Vision transformers, and classifiers over them, as graphs of ONNX.
#pragma once

#include <filesystem>

#include "patina/checkpoint/onnx_graph.h"
#include "patina/models/model_folder.h"
#include "patina/models/vision/vit.h"

namespace patina {

/// Adds a network's features of `images` [B,3,S,S], normalised as the network reads them: [B,D].
/// Throws Error(model) for shapes that have no graph yet.
OnnxGraph::Value add_features(OnnxGraph& graph, const ViT& network, const OnnxGraph::Value& images);

/// Writes a network and a classifier as `file`: `images` [B,3,S,S] -> `features` [B,D] and `scores`
/// [B,K]. Metadata have the classes, and the size and the normalisation of images. Returns the
/// scores that the graph gives for `images`. Throws Error(model) for a network without a graph.
Tensor write_onnx(const Backbone& network, const LinearClassifier& classifier, const Tensor& images,
                  const std::filesystem::path& file);

}  // namespace patina

// The feed between a data set and a backbone. The backbone supplies what the recipe does not set.
#pragma once

#include <memory>

#include "patina/base/thread_pool.h"
#include "patina/data/answer_feed.h"
#include "patina/models/backbone.h"

namespace patina {

/// Images pass `transform`, whose size and normalisation default to the backbone's; texts pass the
/// backbone's tokenizer and are truncated to its limit. `table` is the transform's name in the
/// recipe; decoded images are cached in `images`. The backbone is lent; batches go to its place.
/// Throws Error(recipe) if the backbone does not accept these samples or this image size.
std::unique_ptr<Feed> make_feed(
    const Backbone& backbone, const Source& source, TransformOptions transform = {},
    const TextOptions& text = {}, const char* table = "test_transform",
    std::shared_ptr<ImageCache> images = std::make_shared<ImageCache>(0));

/// Texts that a network learns to answer or to model. `room`: tokens of the model's limit that are
/// left for what follows a row, such as the answer to a prompt. Throws Error as make_feed does.
std::unique_ptr<AnswerFeed> make_answer_feed(const Backbone& backbone, TextOptions text,
                                             AnswerRows rows, int64_t room = 0);

/// Features of every sample, in order, without a graph: [N,D] float on the host. The tokens of all
/// texts are added to `tokens`, if it is given. Stops where the current work should.
Tensor features_of(const Backbone& backbone, const Feed& feed, const Source& source,
                   ThreadPool& pool, int64_t batch_size, int64_t* tokens = nullptr);

}  // namespace patina

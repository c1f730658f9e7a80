// The feed between a data set and a backbone: what the recipe leaves open, the backbone fills in.
#pragma once

#include <memory>

#include "patina/data/feed.h"
#include "patina/models/backbone.h"

namespace patina {

/// Images through `transform`, whose size and normalisation are the backbone's where it leaves them
/// open; texts through the backbone's tokenizer, cut to its limit. `table` is the recipe's name of
/// the transform; `images` keeps what it decodes. The backbone is lent. Throws Error(recipe) when
/// the backbone does not take such samples, or not of that size.
std::unique_ptr<Feed> make_feed(
    const Backbone& backbone, const Source& source, TransformOptions transform = {},
    const TextOptions& text = {}, const char* table = "test_transform",
    std::shared_ptr<ImageCache> images = std::make_shared<ImageCache>(0));

}  // namespace patina

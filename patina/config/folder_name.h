// The option that names a folder.
#pragma once

#include "patina/config/fields.h"

namespace patina {

/// A name under which a folder is made inside another one, or "": anything that would lead out of
/// it (a slash, "..") and control characters are a mistake in the recipe.
void folder_name(Fields& f, std::string_view key, std::string& name, std::string_view help);

}  // namespace patina

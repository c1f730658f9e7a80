// A plug-in that wants a function of patina's that this one does not have.
namespace patina {
void no_such_function();
}

extern "C" const char* patina_plugin(const char*, void*) {
  patina::no_such_function();
  return nullptr;
}

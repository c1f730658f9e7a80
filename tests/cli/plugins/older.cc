// A plug-in of another version: it says so and touches nothing.
extern "C" const char* patina_plugin(const char*, void*) {
  return "patina 0.0.1, LibTorch 1.0";
}

// A shared library that is no plug-in.
extern "C" int stranger() {
  return 1;
}

/* A library that leaves a trace wherever it is loaded: what an image would have a privileged program load by an LD_PRELOAD in its environment
 * (CVE-2025-23266). It is in every test image, and where a container's process is linked statically, nothing in the container loads it. */
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void) {
    int file = open("/tmp/imgcompat-test-preloaded", O_WRONLY | O_CREAT, 0666);
    if (file >= 0) close(file);
}

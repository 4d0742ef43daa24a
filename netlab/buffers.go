package netlab

import (
	"fmt"
	"os"

	"enilab/internal/netns"
)

// maxBuffer is how far the kernel lets a TCP socket's buffer grow by itself, in bytes. One stream between two namespaces is
// as fast with 256 KiB; the kernel's defaults are 6 and 4 MiB, and some machines' are larger.
const maxBuffer = 1 << 20

// BufferLimits are the settings of a namespace in which TCP buffers stay small: those here, which are the machine's, up to 1 MiB.
func BufferLimits() (list []netns.Sysctl, err error) {
	for _, key := range []string{"net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem"} {
		b, err := os.ReadFile("/proc/sys/" + key)
		if err != nil {
			return nil, err
		}
		var sizes [3]int64 // the least, the first, the most
		if _, err := fmt.Sscan(string(b), &sizes[0], &sizes[1], &sizes[2]); err != nil {
			return nil, fmt.Errorf("sysctl %s=%q: %w", key, b, err)
		}
		for i := range sizes {
			sizes[i] = min(sizes[i], maxBuffer)
		}
		list = append(list, netns.Sysctl{Key: key, Value: fmt.Sprint(sizes[0], sizes[1], sizes[2])})
	}
	return list, nil
}

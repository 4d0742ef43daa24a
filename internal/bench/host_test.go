package bench

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

func files(m map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for path, text := range m {
		root[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadHost(t *testing.T) {
	got := ReadHost(files(map[string]string{
		"proc/sys/kernel/osrelease":      "6.18.0\n",
		"proc/sys/kernel/version":        "#1 SMP PREEMPT_DYNAMIC\n",
		"proc/config.gz":                 zipped(t, "CONFIG_PREEMPT_NONE=y\n# CONFIG_PREEMPT is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n"),
		"proc/cmdline":                   "quiet mitigations=auto,nosmt rcupdate.rcu_expedited=1\n",
		"proc/cpuinfo":                   "processor : 0\nmodel name\t: Some CPU\nflags : fpu hypervisor vme\n\nprocessor : 1\nmodel name : Other\n",
		"proc/meminfo":                   "MemTotal:        2048 kB\nHugePages_Total:    0\n",
		"proc/loadavg":                   "0.50 1.25 3.00 1/94 9234\n",
		"sys/kernel/rcu_expedited":       "0\n",
		"sys/kernel/rcu_normal":          "0",
		"sys/class/dmi/id/sys_vendor":    "QEMU\n",
		"sys/kernel/debug/sched/preempt": "none (voluntary) full\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":            "performance\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
	}))
	want := Host{
		Kernel: "6.18.0", Preemption: "dynamic: voluntary", HZ: 250, RCU: "normal rcupdate.rcu_expedited=1", CPUs: runtime.NumCPU(), CPU: "Some CPU",
		Governor: "performance", Clock: "tsc", Virtualization: "qemu", Mitigations: "auto,nosmt", Memory: 2 << 20, Load: [3]float64{0.5, 1.25, 3}, Go: runtime.Version(),
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if text := got.String(); text != "Linux 6.18.0, "+strings.TrimSpace(strings.Split(text, ",")[1])+", HZ=250, preemption dynamic: voluntary, RCU normal rcupdate.rcu_expedited=1, governor performance, load 0.5, rootless: false" {
		t.Errorf("in words: %s", text)
	}
	// A machine that tells nothing.
	if got, want := ReadHost(fstest.MapFS{}), (Host{CPUs: runtime.NumCPU(), Go: runtime.Version()}); got != want {
		t.Errorf("of nothing %+v", got)
	}
}

func TestPreemption(t *testing.T) {
	full := map[string]string{"CONFIG_PREEMPT": "y"}
	for _, c := range []struct {
		version, choice, argument string
		built                     map[string]string
		want                      string
	}{
		{"#1 SMP PREEMPT_DYNAMIC x", "", "", full, "dynamic: full"},
		{"#1 SMP PREEMPT_DYNAMIC x", "", "none", full, "dynamic: none"},
		{"#1 SMP PREEMPT_DYNAMIC x", "(none) voluntary full", "full", full, "dynamic: none"},
		{"#1 SMP PREEMPT_DYNAMIC x", "", "", nil, "dynamic"},
		{"#1 SMP PREEMPT_RT x", "", "", nil, "real-time"},
		{"#1 SMP PREEMPT x", "", "", nil, "full"},
		{"#1 SMP x", "", "", map[string]string{"CONFIG_PREEMPT_VOLUNTARY": "y"}, "voluntary"},
		{"#1 SMP x", "", "", nil, ""},
	} {
		if got := preemption(c.version, c.choice, c.argument, c.built); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Debian keeps the kernel's configuration in a file.
func TestBuildConfigInBoot(t *testing.T) {
	c := buildConfig(files(map[string]string{"boot/config-6.1": "CONFIG_HZ=1000\n"}), "6.1")
	if c["CONFIG_HZ"] != "1000" {
		t.Errorf("%v", c)
	}
	if c := buildConfig(files(map[string]string{"proc/config.gz": "no gzip"}), "6.1"); len(c) != 0 {
		t.Errorf("of damage: %v", c)
	}
}

func TestVirtualization(t *testing.T) {
	for _, c := range []struct{ cpuinfo, vendor, product, xen, want string }{
		{"flags : fpu\n", "Dell Inc.", "XPS", "", "none"},
		{"flags : fpu hypervisor\n", "", "", "", "virtual machine"},
		{"flags : fpu hypervisor\n", "innotek GmbH", "VirtualBox", "", "virtualbox"},
		{"flags : fpu hypervisor\n", "Amazon EC2", "t3.large", "", "ec2"},
		{"flags : fpu\n", "", "", "xen", "xen"},
		{"", "", "", "", ""},
	} {
		if got := virtualization(c.cpuinfo, c.vendor, c.product, c.xen); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestRCU(t *testing.T) {
	for _, c := range []struct{ expedited, normal, want string }{
		{"1", "0", "expedited"}, {"1", "1", "normal"}, {"0", "0", "normal"}, {"", "", ""},
	} {
		if got := rcu(c.expedited, c.normal, []string{"quiet"}); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

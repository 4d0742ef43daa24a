package bench

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
)

// ReadHost describes the machine, from the files of its root. What is not there, or not for this user to read, stays
// empty.
func ReadHost(root fs.FS) Host {
	text := func(path string) string {
		b, _ := fs.ReadFile(root, path)
		return strings.TrimSpace(string(b))
	}
	command := strings.Fields(text("proc/cmdline"))
	release := text("proc/sys/kernel/osrelease")
	built := buildConfig(root, release)
	hz, _ := strconv.Atoi(built["CONFIG_HZ"])
	return Host{
		Kernel:         release,
		Preemption:     preemption(text("proc/sys/kernel/version"), text("sys/kernel/debug/sched/preempt"), argument(command, "preempt"), built),
		HZ:             hz,
		RCU:            rcu(text("sys/kernel/rcu_expedited"), text("sys/kernel/rcu_normal"), command),
		CPUs:           runtime.NumCPU(),
		CPU:            field(text("proc/cpuinfo"), "model name"),
		Governor:       text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Clock:          text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
		Virtualization: virtualization(text("proc/cpuinfo"), text("sys/class/dmi/id/sys_vendor"), text("sys/class/dmi/id/product_name"), text("sys/hypervisor/type")),
		Mitigations:    argument(command, "mitigations"),
		Memory:         parseMeminfo(text("proc/meminfo"))["MemTotal"],
		Load:           load(text("proc/loadavg")),
		Go:             runtime.Version(),
	}
}

// preemption is how the kernel was built and, where it can be changed, what is in force: the choice in brackets of
// "none (voluntary) full", else that of the command line, else that of the build.
func preemption(version, choice, argument string, built map[string]string) string {
	var of string
	for _, model := range []string{"none", "voluntary", "lazy"} {
		if built["CONFIG_PREEMPT_"+strings.ToUpper(model)] == "y" {
			of = model
		}
	}
	if built["CONFIG_PREEMPT"] == "y" {
		of = "full"
	}
	switch {
	case strings.Contains(version, "PREEMPT_RT"):
		return "real-time"
	case strings.Contains(version, "PREEMPT_DYNAMIC"):
		if _, chosen, ok := strings.Cut(choice, "("); ok {
			of, _, _ = strings.Cut(chosen, ")")
		} else if argument != "" {
			of = argument
		}
		return strings.TrimSuffix("dynamic: "+of, ": ")
	case of == "" && strings.Contains(version, "PREEMPT"):
		return "full"
	}
	return of
}

// buildConfig is what the kernel was configured with; empty if it does not tell.
func buildConfig(root fs.FS, release string) map[string]string {
	config := map[string]string{}
	var lines *bufio.Scanner
	if f, err := root.Open("proc/config.gz"); err == nil {
		defer f.Close() //nolint:errcheck // only read from
		z, err := gzip.NewReader(f)
		if err != nil {
			return config
		}
		lines = bufio.NewScanner(z)
	} else if f, err := root.Open("boot/config-" + release); err == nil {
		defer f.Close() //nolint:errcheck // only read from
		lines = bufio.NewScanner(f)
	} else {
		return config
	}
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok {
			config[key] = value
		}
	}
	return config
}

// rcu is how grace periods are waited for. To move a device is to wait for one.
func rcu(expedited, normal string, command []string) string {
	if expedited == "" && normal == "" {
		return ""
	}
	words := []string{"normal"}
	if expedited == "1" && normal != "1" {
		words[0] = "expedited"
	}
	for _, a := range command {
		if strings.HasPrefix(a, "rcu") {
			words = append(words, a)
		}
	}
	return strings.Join(words, " ")
}

// field is the value behind the first line "name : value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// argument is the value of a word name=value of the kernel's command line.
func argument(command []string, name string) string {
	for _, a := range command {
		if value, ok := strings.CutPrefix(a, name+"="); ok {
			return value
		}
	}
	return ""
}

// virtualization names the hypervisor, if there is one.
func virtualization(cpuinfo, vendor, product, xen string) string {
	for _, known := range []struct{ in, name string }{
		{"Amazon EC2", "ec2"},
		{"QEMU", "qemu"},
		{"KVM", "kvm"},
		{"VMware", "vmware"},
		{"innotek", "virtualbox"},
		{"VirtualBox", "virtualbox"},
		{"Microsoft Corporation Virtual Machine", "hyper-v"},
		{"Google Compute Engine", "gce"},
		{"Parallels", "parallels"},
	} {
		if strings.Contains(vendor+" "+product, known.in) {
			return known.name
		}
	}
	switch {
	case xen != "":
		return xen
	case strings.Contains(" "+field(cpuinfo, "flags")+" ", " hypervisor "):
		return "virtual machine"
	case cpuinfo == "":
		return ""
	}
	return "none"
}

// load reads the averages over 1, 5 and 15 minutes.
func load(text string) (averages [3]float64) {
	for i, word := range strings.Fields(text) {
		if i < len(averages) {
			averages[i], _ = strconv.ParseFloat(word, 64)
		}
	}
	return averages
}

// String is the machine in a few words.
func (h Host) String() string {
	words := []string{fmt.Sprintf("Linux %s, %d CPUs", h.Kernel, h.CPUs)}
	if h.HZ > 0 {
		words = append(words, fmt.Sprintf("HZ=%d", h.HZ))
	}
	if h.Preemption != "" {
		words = append(words, "preemption "+h.Preemption)
	}
	if h.RCU != "" {
		words = append(words, "RCU "+h.RCU)
	}
	if h.Governor != "" {
		words = append(words, "governor "+h.Governor)
	}
	return fmt.Sprintf("%s, load %.1f, rootless: %t", strings.Join(words, ", "), h.Load[0], h.Rootless)
}

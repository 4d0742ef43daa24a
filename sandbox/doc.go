// Package sandbox runs strangers' code: slots made ahead of time, processes contained as far as the kernel allows, the
// Lambda Runtime API toward them, and the timeline of their start.
//
// A [Pool] keeps [Slot]s: network namespaces with their tunnel, and in each a process that a [Launcher] parked there, in
// namespaces, a root and a control group of its own, without any right. [Launcher.Start] makes it a function's bootstrap.
// [RuntimeAPI] hands that events.
package sandbox

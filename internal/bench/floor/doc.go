// Package floor does with bare system calls what the kernel has to do at the least for the steps of a cold start: no
// library, no look-up, no log, requests encoded before the clock starts and sent together. What takes longer elsewhere is
// the lab's, not Linux's. Each figure is of one operation, alone; what it leaves ends with its namespaces.
package floor

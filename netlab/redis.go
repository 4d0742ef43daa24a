package netlab

import "strconv"

// RedisCommand is the argument vector of a Redis that serves whoever reaches its address at a port, and keeps nothing on a disk.
// What would have a client write files, load code or take the server apart is off, whatever the defaults are: DEBUG, MODULE and
// CONFIG SET of dir and its kin. Redis has these settings since version 7.
// https://raw.githubusercontent.com/redis/redis/7.0/redis.conf
func RedisCommand(port uint16) []string {
	return []string{
		"redis-server", "--bind", "{address}", "--port", strconv.Itoa(int(port)), "--protected-mode", "no",
		"--save", "", "--appendonly", "no", "--dir", "/",
		"--enable-debug-command", "no", "--enable-module-command", "no", "--enable-protected-configs", "no",
	}
}

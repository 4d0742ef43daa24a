package sandbox

// Put makes a slot the next that Take looks at.
func (p *Pool) Put(s *Slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = append(p.ready, s)
}

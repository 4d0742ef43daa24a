package draw

import "math"

// stroke draws along points, with round joins.
func (p *painter) stroke(points []Point, s Stroke, opacity float64) {
	if s.Color == "" {
		return
	}
	width := s.Width
	if width == 0 {
		width = 1
	}
	var polygons [][]Point
	for _, piece := range dashed(points, s.Dash) {
		for i := 1; i < len(piece); i++ {
			a, b := piece[i-1], piece[i]
			length := math.Hypot(b.X-a.X, b.Y-a.Y)
			if length == 0 {
				continue
			}
			dx, dy := (b.Y-a.Y)/length*width/2, (a.X-b.X)/length*width/2
			polygons = append(polygons, []Point{{a.X + dx, a.Y + dy}, {b.X + dx, b.Y + dy}, {b.X - dx, b.Y - dy}, {a.X - dx, a.Y - dy}})
			if i > 1 && width > 1 {
				polygons = append(polygons, circle(a, width/2))
			}
		}
	}
	if len(polygons) > 0 {
		p.fill(polygons, Fill{Color: s.Color}, opacity)
	}
}

// dashed cuts a line into its strokes.
func dashed(points []Point, dash Dash) (pieces [][]Point) {
	if len(dash) == 0 || len(points) == 0 {
		return [][]Point{points}
	}
	n, left := 0, dash[0] // the dash, and how much of it is left
	piece := []Point{points[0]}
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		at := 0.0
		for length-at > left {
			at += left
			c := Point{a.X + (b.X-a.X)*at/length, a.Y + (b.Y-a.Y)*at/length}
			if n%2 == 0 {
				pieces = append(pieces, append(piece, c))
			}
			piece = []Point{c}
			n++
			left = dash[n%len(dash)]
		}
		left -= length - at
		piece = append(piece, b)
	}
	if n%2 == 0 {
		pieces = append(pieces, piece)
	}
	return pieces
}

package tinymodels

import "math/rand/v2"

// random returns a source of numbers that gives each purpose its own, always
// the same, sequence.
func random(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(0x5167_6e70_6f73_74, purpose))
}

// zeros is a tensor that adds nothing.
func zeros(name string, shape ...int) tensor { return filled(name, 0, shape...) }

// ones is a norm's weight that changes nothing.
func ones(name string, shape ...int) tensor { return filled(name, 1, shape...) }

func filled(name string, value float32, shape ...int) tensor {
	places := 1
	for _, n := range shape {
		places *= n
	}
	data := make([]float32, places)
	for i := range data {
		data[i] = value
	}
	return tensor{name: name, shape: shape, data: data}
}

// biased is a layer with its bias, both adding nothing.
func biased(name string, in, out int) []tensor {
	return []tensor{zeros(name+".weight", in, out), zeros(name+".bias", out)}
}

// norm is a layer norm that changes nothing but the scale.
func norm(name string, width int) []tensor {
	return []tensor{ones(name+".weight", width), zeros(name+".bias", width)}
}

// rows is a matrix of the rows given, all of the same width.
func rows(name string, width int, rows [][]float32) tensor {
	t := tensor{name: name, shape: []int{width, len(rows)}}
	for _, row := range rows {
		t.data = append(t.data, row...)
	}
	return t
}

"""What a move does: ports, steps, the pure decision, the loop that acts, and finalize."""

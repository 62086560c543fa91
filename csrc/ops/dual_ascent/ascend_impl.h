// The body of RowKernel::ascend. Included by one file for each instruction set, inside its own anonymous
// namespace: plain loops, of which the compiler makes vectors.
AscentBlock ascend_block(const float* losses, const float* dual_losses, const int64_t* ids,
                         int64_t count, const DualVariablesView& duals, float* slacks,
                         const float* before) {
  float epsilon[kBlockRows], after[kBlockRows];
  double terms[kBlockRows];
  for (int64_t i = 0; i < count; ++i) {
    epsilon[i] = duals.epsilon ? duals.epsilon[ids[i]] : duals.epsilon_of_all;
  }
  const double lr = duals.lr;
  int wrong = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float loss = losses[i], slack = slack_of(dual_losses[i], epsilon[i]);
    float multiplier;
    const bool right = ascend(loss, slack, before[i], lr, &multiplier);
    wrong += !right;
    after[i] = right ? multiplier : before[i];
    slacks[i] = slack;
    terms[i] = term_of(loss, slack, before[i]);
  }
  AscentBlock block;
  for (int64_t i = 0; i < count; ++i) block.sum += terms[i];
  for (int64_t i = 0; i < count; ++i) duals.multipliers[ids[i]] = after[i];
  for (int64_t i = 0; wrong > 0 && i < count; ++i) {
    float unused;
    if (ascend(losses[i], slacks[i], before[i], lr, &unused)) continue;
    if (block.nonfinite++ == 0) block.first_nonfinite = ids[i];
  }
  return block;
}

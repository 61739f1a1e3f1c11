"""Twenty prompts of different kinds and lengths, for checks and benchmarks of the language model."""

PROMPTS = (
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n",
    "Water boils at",
    "To make a good cup of tea, first",
    "The three laws of thermodynamics state that",
    "1, 1, 2, 3, 5, 8,",
    "Dear Sir or Madam,\n\nI am writing to",
    "In 1969, the first human",
    "Q: What is the difference between a virus and a bacterium?\nA:",
    "import numpy as np\n\n# compute the mean of each row\n",
    "She opened the old wooden box and found",
    "The main advantage of electric cars is",
    "Roses are red, violets are blue,",
    "A list of five European rivers:\n1.",
    "The quick brown fox",
    "Photosynthesis is the process by which",
    "If it rains tomorrow, we will",
    "SELECT name, age FROM users WHERE",
    "The old clock in the station had two hands, and neither of them agreed with the other. Travellers who came through"
    " in the morning set their watches by the first; those who left in the evening trusted the second. Nobody",
)

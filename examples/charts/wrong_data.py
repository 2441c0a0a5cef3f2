import matplotlib.pyplot as plt
import numpy as np

quarters = ["Q1", "Q2", "Q3", "Q4"]
hardware = [6.1, 2.2, 5.9, 3.0]
services = [1.4, 5.5, 2.7, 4.9]

x = np.arange(len(quarters))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
left.bar(x - 0.2, hardware, 0.4, label="Hardware", color="#1b6ca8")
left.bar(x + 0.2, services, 0.4, label="Services", color="#e07a1f")
left.set_xticks(x, quarters)
left.set_ylabel("Revenue (M$)")
left.set_title("Revenue by quarter")
left.legend()

right.plot(quarters, np.array(services) / np.array(hardware), marker="o", color="#2a9d55")
right.set_ylim(0.5, 1.1)
right.set_ylabel("Services per hardware dollar")
right.set_title("Mix")
right.grid(alpha=0.3)

plt.tight_layout()
plt.savefig("sales.png", dpi=100)

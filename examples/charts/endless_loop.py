import matplotlib.pyplot as plt

fig, ax = plt.subplots()
ax.bar(["Q1", "Q2", "Q3", "Q4"], [4.2, 5.1, 4.8, 6.3])
while not ax.has_data() or True:
    fig.canvas.get_width_height()
